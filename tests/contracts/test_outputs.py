"""What every output format keeps to: its numbers come back, and its file is whole or not there."""

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

import onedepth
from onedepth import outputs
from onedepth.depth import Depth, Intrinsics
from onedepth.errors import DataError, OnedepthError, OutputError
from onedepth.outputs import WRITERS, load_npz, read_png16, replacing, save, save_image, save_picture

# How a format's metres are read back, and how far they may be off.
READERS = {
    ".npz": (lambda path: load_npz(path).depth_m, 0.0),
    ".png": (lambda path: read_png16(path)[0], 0.0005 + 1e-6),
}

every_format = pytest.mark.parametrize("suffix", sorted(WRITERS))


def result(height: int = 12, width: int = 17, seed: int = 0) -> Depth:
    rng = np.random.default_rng(seed)
    return Depth(
        depth_m=rng.uniform(0.3, 12.0, (height, width)).astype(np.float32),
        image=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        intrinsics=Intrinsics(518.858, 519.47, 8.25, 5.5),
        focal_source="exif",
        model="onedepth-indoor 1.0",
        name="kitchen",
    )


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


# Every format.


@every_format
def test_metres_come_back(suffix, tmp_path):
    if suffix not in READERS:
        pytest.skip("no reader")
    read, tolerance_m = READERS[suffix]
    depth = result()
    path = tmp_path / f"depth{suffix}"
    assert save(depth, path) == path
    np.testing.assert_allclose(read(path), depth.depth_m, rtol=0, atol=tolerance_m)
    assert leftovers(tmp_path) == []


@every_format
def test_suffix_in_capitals_text_path_and_missing_folders(suffix, tmp_path):
    path = tmp_path / "not" / "yet" / f"DEPTH{suffix.upper()}"
    assert result().save(str(path)) == path
    assert path.stat().st_size > 0


@every_format
def test_input_is_left_alone(suffix, tmp_path):
    depth = result()
    depth.depth_m[0, :4] = [np.nan, np.inf, -1.0, 0.0]
    before = depth.depth_m.copy()
    depth.depth_m.flags.writeable = depth.image.flags.writeable = False
    save(depth, tmp_path / f"depth{suffix}")
    np.testing.assert_array_equal(depth.depth_m, before)


@every_format
@pytest.mark.parametrize("failure", [ValueError("a bug"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_failing_write_keeps_the_old_file(suffix, failure, tmp_path, monkeypatch):
    path = tmp_path / f"depth{suffix}"
    path.write_bytes(b"old")
    writer = WRITERS[suffix]

    def failing(depth, file):
        writer(depth, file)
        raise failure

    monkeypatch.setitem(WRITERS, suffix, failing)
    expected = OutputError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected):
        save(result(), path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def in_a_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `code` where it may be killed; warnings and what the interpreter cannot raise show on stderr."""
    paths = [str(Path(onedepth.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and limits")


@posix_only
@every_format
@pytest.mark.parametrize("moment", ["half written", "before the move", "after the move"])
def test_killed_while_writing(suffix, moment, tmp_path):
    path = tmp_path / f"depth{suffix}"
    save(result(seed=0), path)
    old = path.read_bytes()
    save(result(seed=1), tmp_path / "new.npz")
    save(result(seed=1), tmp_path / f"new{suffix}")
    new = (tmp_path / f"new{suffix}").read_bytes()
    code = """
import os, signal, sys
from onedepth.outputs import WRITERS, load_npz, save
path, suffix, moment, source = sys.argv[1:]
depth = load_npz(source)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if moment == "half written":
    def half(depth, file):
        file.write(b"half a file")
        file.flush()
        die()
    WRITERS[suffix] = half
elif moment == "before the move":
    os.fsync = die
save(depth, path)
die()
"""
    run = in_a_process(code, str(path), suffix, moment, str(tmp_path / "new.npz"))
    assert run.returncode == -9, run.stderr
    found = path.read_bytes()
    # The zip inside .npz carries no clock, so the same numbers are the same bytes.
    assert found == (new if moment == "after the move" else old)


@posix_only
@every_format
def test_full_disk(suffix, tmp_path):
    path = tmp_path / f"depth{suffix}"
    path.write_bytes(b"old")
    save(result(200, 300), tmp_path / "source.npz")
    code = """
import resource, sys
from onedepth.errors import OutputError
from onedepth.outputs import load_npz, save
depth = load_npz(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save(depth, sys.argv[1])
except OutputError as error:
    print(error)
"""
    run = in_a_process(code, str(path), str(tmp_path / "source.npz"))
    assert run.stderr == ""
    assert run.stdout.strip() == f"cannot write {path}: the file would be larger than this system allows"
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


# Places.


def test_unknown_suffix_lists_the_known(tmp_path):
    with pytest.raises(OutputError, match=r"suffix '\.exr', expected one of \.npz, \.png"):
        save(result(), tmp_path / "depth.exr")
    with pytest.raises(OutputError, match=r"no suffix, expected one of"):
        save(result(), tmp_path / "depth")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "permission denied"),
        (errno.ENOSPC, "no space left"),
        (errno.EROFS, "read-only"),
        (errno.ENAMETOOLONG, "name is too long"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_reasons_are_one_line(number, words, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("onedepth.outputs.atomic.os.open", refused)
    with pytest.raises(OutputError) as caught:
        save(result(), tmp_path / "depth.png")
    message = str(caught.value)
    assert message.startswith(f"cannot write {tmp_path / 'depth.png'}: ")
    assert words in message
    assert "\n" not in message


def test_places_that_are_none(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="it is a folder"):
        save(result(), tmp_path / "folder.png")
    with pytest.raises(OutputError, match="not a folder"):
        save(result(), tmp_path / "file" / "depth.png")
    with pytest.raises(OutputError, match="too long"):
        save(result(), tmp_path / ("x" * 300 + ".png"))
    assert leftovers(tmp_path) == []


def test_longest_name_is_possible(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    save(result(), path)
    assert path.exists()


@posix_only
def test_read_only_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "depth.png"
    path.write_bytes(b"old")
    monkeypatch.setattr("onedepth.outputs.atomic.os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(OutputError, match="permission denied"):
        save(result(), path)
    assert path.read_bytes() == b"old"


@posix_only
def test_permissions_follow_umask_and_the_old_file(tmp_path):
    before = os.umask(0o027)
    try:
        new = save(result(), tmp_path / "new.png")
        assert new.stat().st_mode & 0o777 == 0o640
        new.chmod(0o604)
        save(result(), new)
        assert new.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


@posix_only
def test_link_keeps_its_place(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = save(result(seed=0), tmp_path / "elsewhere" / "depth.npz")
    link = tmp_path / "depth.npz"
    link.symlink_to(target)
    save(result(seed=1), link)
    assert link.is_symlink()
    np.testing.assert_array_equal(load_npz(target).depth_m, result(seed=1).depth_m)


def test_replacing_serves_any_writer(tmp_path):
    with replacing(tmp_path / "clip.mp4") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
        temporary.write_bytes(b"frames")
        assert not (tmp_path / "clip.mp4").exists()
    assert (tmp_path / "clip.mp4").read_bytes() == b"frames"
    assert leftovers(tmp_path) == []


# 16-bit PNG.

DEPTH_M = st.floats(2.0**-10, 65.5, width=32)


@settings(max_examples=40, deadline=None)
@given(depth_m=arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=DEPTH_M))
def test_png16_is_off_by_half_a_millimetre_at_most(depth_m, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "hypothesis.png"
    image = np.zeros((*depth_m.shape, 3), np.uint8)
    save(dataclasses.replace(result(), depth_m=depth_m, image=image), path)
    with Image.open(path) as stored:
        millimetres = np.asarray(stored)
    assert millimetres.dtype == np.uint16
    assert np.abs(millimetres - depth_m.astype(np.float64) * 1000).max() <= 0.5
    back_m, _ = read_png16(path)
    assert back_m.dtype == np.float32
    np.testing.assert_array_equal(back_m, (millimetres / 1000.0).astype(np.float32))


def test_png16_by_hand(tmp_path):
    values_m = [[1.0, 0.0004, 1.2346, 65.535], [65.6, 1e9, 0.0, -2.0], [np.nan, np.inf, 2.5, 65.5354]]
    depth = dataclasses.replace(result(3, 4), depth_m=np.array(values_m, np.float32))
    path = save(depth, tmp_path / "depth.png")
    with Image.open(path) as image:
        stored = np.asarray(image)
        text = image.text
    assert stored.tolist() == [[1000, 1, 1235, 65535], [65535, 65535, 0, 0], [0, 0, 2500, 65535]]
    assert text["Clipped"] == "2"
    assert text["Unit"] == "millimetre"
    assert text["Model"] == "onedepth-indoor 1.0"
    assert text["Focal"] == "519.16 px, exif"
    assert text["Software"] == f"onedepth {onedepth.__version__}"
    assert json.loads(text["Intrinsics"]) == {"fx": 518.858, "fy": 519.47, "cx": 8.25, "cy": 5.5}
    depth_m, read_text = read_png16(path)
    assert read_text == text
    assert depth_m[0, 0] == 1.0
    assert depth_m[2, 0] == 0.0


def test_png16_writes_names_in_any_script(tmp_path):
    path = save(dataclasses.replace(result(), model="深度 1"), tmp_path / "depth.png")
    assert read_png16(path)[1]["Model"] == "深度 1"


def test_read_png16_says_what_is_wrong(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "colour.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(save(result(), tmp_path / "whole.png").read_bytes()[:300])
    with pytest.raises(DataError, match="mode RGB, expected 16-bit grey"):
        read_png16(tmp_path / "colour.png")
    for name in ("text.png", "cut.png", "missing.png"):
        with pytest.raises(DataError, match=f"cannot read .*{name}"):
            read_png16(tmp_path / name)


# Archive.


@settings(max_examples=40, deadline=None)
@given(
    depth_m=arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6)),
    camera=st.tuples(*[st.floats(allow_nan=False)] * 4),
    source=st.sampled_from(["given", "exif", "assumed"]),
    words=st.tuples(*[st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))] * 2),
)
def test_npz_comes_back_exactly(depth_m, camera, source, words, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "hypothesis.npz"
    image = np.random.default_rng(depth_m.size).integers(0, 256, (*depth_m.shape, 3), dtype=np.uint8)
    uncertainty = depth_m / 2 if source == "given" else None
    depth = Depth(depth_m, image, Intrinsics(*camera), source, *words, uncertainty)
    back = load_npz(save(depth, path))
    assert back.depth_m.tobytes() == depth_m.tobytes()
    np.testing.assert_array_equal(back.image, image)
    if uncertainty is None:
        assert back.uncertainty is None
    else:
        np.testing.assert_array_equal(back.uncertainty, uncertainty)
    assert (back.intrinsics, back.focal_source, back.model, back.name) == (
        Intrinsics(*camera),
        source,
        *words,
    )


def test_npz_is_plain_numpy(tmp_path):
    path = save(result(), tmp_path / "depth.npz")
    with np.load(path, allow_pickle=False) as archive:
        kinds = {name: (archive[name].dtype.kind, archive[name].shape) for name in archive.files}
        assert str(archive["unit"]) == "metre"
    assert kinds == {
        "depth_m": ("f", (12, 17)),
        "image": ("u", (12, 17, 3)),
        "intrinsics": ("f", (4,)),
        **dict.fromkeys(("focal_source", "model", "name", "unit"), ("U", ())),
    }


def test_load_npz_says_what_is_wrong(tmp_path):
    good = save(result(), tmp_path / "good.npz")
    with np.load(good) as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "part.npz", **{key: value for key, value in arrays.items() if key != "image"})
    np.savez(tmp_path / "shape.npz", **{**arrays, "image": np.zeros((3, 3), np.uint8)})
    np.savez(tmp_path / "double.npz", **{**arrays, "depth_m": arrays["depth_m"].astype(np.float64)})
    np.savez(tmp_path / "source.npz", **{**arrays, "focal_source": np.array("guess")})
    np.savez(tmp_path / "camera.npz", **{**arrays, "intrinsics": np.zeros(3)})
    np.savez(tmp_path / "pickle.npz", **{**arrays, "model": np.array([{}], object)})
    np.save(tmp_path / "array.npy", arrays["depth_m"])
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:-200])
    broken = bytearray(good.read_bytes())
    broken[100:140] = bytes(40)
    (tmp_path / "broken.npz").write_bytes(broken)
    for path in [*sorted(tmp_path.iterdir()), tmp_path / "missing.npz"]:
        if path != good:
            with pytest.raises(DataError, match=path.name) as caught:
                load_npz(path)
            assert "\n" not in str(caught.value), path


# Pictures for people.


@pytest.mark.parametrize(("suffix", "kind"), [(".png", "PNG"), (".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP")])
def test_pictures(suffix, kind, tmp_path):
    depth = result(60, 80)
    path = save_picture(depth, tmp_path / "new" / f"picture{suffix}", side_by_side=True, near_m=1.0, colormap="turbo")
    drawn = depth.colorize(side_by_side=True, near_m=1.0, colormap="turbo")
    with Image.open(path) as image:
        assert image.format == kind
        assert image.size == drawn.size
        if kind == "PNG":
            assert np.array_equal(np.asarray(image), np.asarray(drawn))
    assert leftovers(path.parent) == []


def test_picture_mistakes(tmp_path):
    with pytest.raises(OutputError, match=r"suffix '\.gif', expected one of \.jpeg, \.jpg, \.png, \.webp"):
        save_picture(result(), tmp_path / "picture.gif")
    with pytest.raises(OnedepthError, match="unknown colour map"):
        save_picture(result(), tmp_path / "picture.png", colormap="nosuchmap")
    with pytest.raises(OutputError, match=r"WEBP of 17000 x 2 pixels.*use \.png"):
        save_image(Image.new("RGB", (17_000, 2)), tmp_path / "wide.webp")
    assert list(tmp_path.iterdir()) == []


def test_import_is_light():
    heavy = ["PIL", "cmap", "torch", "onnxruntime", "onedepth.render", "zipfile"]
    code = f"import sys, onedepth.outputs; print([m for m in {heavy} if m in sys.modules])"
    run = in_a_process(code)
    assert run.stderr == ""
    assert run.stdout.strip() == "[]"


def test_exports_exist():
    assert [name for name in outputs.__all__ if not hasattr(outputs, name)] == []
