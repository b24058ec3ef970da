"""The command line as a user meets it: every verb, every mistake."""

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import call, write_pairs
from onedepth.data.synthetic import render_scene
from onedepth.outputs import load_npz, read_png16


@pytest.fixture
def room(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "room.jpg"
    path.parent.mkdir()
    Image.fromarray(render_scene(0, 2, 60, 80).image).save(path)
    return path


def test_predict(room, tmp_path, capsys):
    status, out, err = call("predict", room, "--out", tmp_path / "out", "--npz", "--focal", 64.85, capsys=capsys)
    assert (status, err) == (0, [])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "room_depth.npz",
        "room_depth.png",
        "room_depth_mm.png",
    ]
    depth = load_npz(tmp_path / "out" / "room_depth.npz")
    depth_m, text = read_png16(tmp_path / "out" / "room_depth_mm.png")
    np.testing.assert_allclose(depth_m, depth.depth_m, atol=5.1e-4)
    assert text["Unit"] == "millimetre" and "64.85 px" in text["Focal"] and text["Model"] == depth.model
    assert "80×60" in out and "focal 65 px (given)" in out
    near, far = np.percentile(depth.depth_m[::4, ::4], (5, 95))
    assert f"near {near:.2f}" in out and f"far {far:.2f} m" in out


def test_depths_that_may_be_far_off_are_left_out(room, tmp_path, capsys):
    out = tmp_path / "out"
    status, _, _ = call("predict", room, "-o", out, "--npz", capsys=capsys)
    assert status == 0
    depth = load_npz(out / "room_depth.npz")
    if depth.uncertainty is None:
        status, _, err = call("predict", room, "-o", out, "--within", 20, capsys=capsys)
        assert status == 2 and len(err) == 1 and "--within" in err[0] and "says nothing of its errors" in err[0]
        return
    percent = round(100 * float(np.median(np.expm1(depth.uncertainty))))
    status, said, _ = call("predict", room, "-o", out, "--within", percent, capsys=capsys)
    assert status == 0 and "left out" in said
    depth_m, _ = read_png16(out / "room_depth_mm.png")
    np.testing.assert_array_equal(depth_m == 0, np.expm1(depth.uncertainty) > percent / 100)
    for wrong in ("0", "-5", "nan"):
        status, _, err = call("predict", room, "-o", out, "--within", wrong, capsys=capsys)
        assert status == 2 and len(err) == 1 and "--within" in err[0]


def test_pictures_of_one_name_do_not_overwrite_each_other(tmp_path, capsys):
    image = Image.fromarray(render_scene(0, 2, 30, 40).image)
    names = ["a/x.png", "a/x.jpg", "b/x.png", "b/y.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        image.save(tmp_path / name)
    inputs = [tmp_path / "a", str(tmp_path / "b" / "*.png")]
    status, out, _ = call("predict", *inputs, "-o", tmp_path / "out", capsys=capsys)
    assert status == 0 and "4 of 4 done" in out
    assert len(list((tmp_path / "out").glob("*_depth_mm.png"))) == 4


def test_results_are_not_taken_for_pictures(room, capsys):
    for _ in range(2):
        status, out, _ = call("predict", room.parent, "--out", room.parent, capsys=capsys)
        assert status == 0 and "1 of 1 done" in out


def test_depth_beyond_the_png_is_said(room, tmp_path, capsys):
    status, _, err = call("predict", room, "-o", tmp_path / "out", "--focal", 2200, capsys=capsys)
    assert status == 0 and (not err or ("65.535" in err[0] and "--npz" in err[0]))
    _, text = read_png16(tmp_path / "out" / "room_depth_mm.png")
    assert int(text["Clipped"]) > 0 and len(err) == 1


def test_no_result_replaces_a_picture(room, capsys):
    other = room.with_name("room_depth.png")
    Image.fromarray(render_scene(0, 3, 30, 40).image).save(other)
    before = other.read_bytes()
    status, _, err = call("predict", room.parent, "--out", room.parent, capsys=capsys)
    assert status == 2 and len(err) == 1 and "room_depth.png" in err[0]
    assert other.read_bytes() == before and len(list(room.parent.iterdir())) == 2


def test_side_by_side_is_wider(room, tmp_path, capsys):
    call("predict", room, "-o", tmp_path / "a", capsys=capsys)
    call("predict", room, "-o", tmp_path / "b", "--side-by-side", capsys=capsys)
    widths = []
    for name in "ab":
        with Image.open(tmp_path / name / "room_depth.png") as picture:
            widths.append(picture.width)
    assert widths[1] >= widths[0] + 80


def bomb(path: Path) -> None:
    """A PNG of 20000 × 15000 pixels in its header, and next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20000, 15000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


BAD_PICTURES = {
    "missing.jpg": lambda path, good: None,
    "cut.jpg": lambda path, good: path.write_bytes(good[: len(good) // 2]),
    "text.jpg": lambda path, good: path.write_text("not a picture at all\n" * 20),
    "empty.png": lambda path, good: path.write_bytes(b""),
    "bomb.png": lambda path, good: bomb(path),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_picture_is_one_line_and_the_others_are_done(name, room, tmp_path, capsys):
    bad = tmp_path / "in" / name
    BAD_PICTURES[name](bad, room.read_bytes())
    status, out, err = call("predict", bad, room, "--out", tmp_path / "out", capsys=capsys)
    assert status == 1 and len(err) == 1 and name in err[0], err
    assert "1 of 2 done" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["room_depth.png", "room_depth_mm.png"]
    status, _, err = call("predict", bad, "--out", tmp_path / "alone", capsys=capsys)
    assert status == 2 and len(err) == 1 and name in err[0]
    assert not (tmp_path / "alone").exists()


def test_the_bomb_names_limit_and_option(tmp_path, capsys):
    bomb(tmp_path / "bomb.png")
    _, _, err = call("predict", tmp_path / "bomb.png", "-o", tmp_path / "out", capsys=capsys)
    assert "300" in err[0] and "--max-megapixels" in err[0]


def test_limit_is_adjustable(room, tmp_path, capsys):
    status, _, err = call("predict", room, "-o", tmp_path / "out", "--max-megapixels", 0.001, capsys=capsys)
    assert status == 2 and "--max-megapixels" in err[0]


MISTAKES = {
    "empty folder": (["predict", "{empty}"], "empty"),
    "empty name": (["predict", ""], "empty name"),
    "focal in millimetres": (["predict", "{room}", "--focal", "0.026"], "in pixels"),
    "no match": (["predict", "{tmp}/*.webp"], "*.webp"),
    "output is a file": (["predict", "{room}", "--out", "{room}"], "room.jpg"),
    "output below a file": (["predict", "{room}", "--out", "{room}/sub"], "room.jpg"),
    "near beyond far": (["predict", "{room}", "--near", "3", "--far", "1"], "--near"),
    "near negative": (["predict", "{room}", "--near", "-3"], "--near"),
    "unknown colour map": (["predict", "{room}", "--colormap", "virids"], "viridis"),
    "impossible camera": (["predict", "{room}", "--fov", "270"], "field of view"),
    "two cameras": (["predict", "{room}", "--fov", "60", "--focal", "500"], "field of view"),
    "unknown model": (["predict", "{room}", "--model", "onedepth-smal"], "onedepth-small"),
    "model is no model": (["predict", "{room}", "--model", "{text}"], "notes.onnx"),
    "limit of nothing": (["predict", "{room}", "--max-megapixels", "0"], "--max-megapixels"),
    "no data": (["evaluate", "--data", "{empty}"], "index.csv"),
    "unknown protocol": (["evaluate", "--data", "{empty}", "--protocol", "eigne"], "eigen"),
    "unknown verb": (["predikt", "{room}"], "predikt"),
    "unknown option": (["predict", "{room}", "--colour", "red"], "--colour"),
    "not a number": (["predict", "{room}", "--focal", "wide"], "wide"),
    "no input": (["predict"], "inputs"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_ends_in_one_line_and_status_2(what, room, tmp_path, monkeypatch, capsys):
    arguments, words = MISTAKES[what]
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.onnx").write_text("a shopping list")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    places = {"room": room, "empty": tmp_path / "empty", "tmp": tmp_path, "text": tmp_path / "notes.onnx"}
    status, _, err = call(*[argument.format(**places) for argument in arguments], capsys=capsys)
    assert status == 2 and words in err[0] and err[0].startswith("onedepth: "), err
    # Mistakes in the call itself add where its help is.
    assert len(err) == 1 or (len(err) == 2 and "--help" in err[1]), err
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.name != "depth"] == []


def test_full_disk_leaves_nothing_half_written(room, tmp_path):
    """The largest file this process may write is smaller than any result."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500));"
        f"from onedepth.cli import main; main(['predict', {str(room)!r}, '-o', {str(tmp_path / 'out')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and "out" in done.stderr, done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_evaluate(tmp_path, capsys):
    write_pairs(tmp_path / "pairs")
    arguments = ["evaluate", "--data", tmp_path / "pairs", "--split", "val", "--protocol", "full"]
    status, out, err = call(*arguments, "--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv", capsys=capsys)
    assert (status, err) == (0, [])
    report = json.loads((tmp_path / "r.json").read_text())["evaluated"][0]["reports"]["full"]
    assert report["count"] == 2 and f"{report['metrics']['abs_rel']:.4f}" in out
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("depth", "words"),
    [(np.zeros((60, 80), np.uint8), "8-bit"), (np.full((30, 40), 900, np.uint16), "40×30")],
)
def test_evaluate_names_bad_depth_and_goes_on(tmp_path, capsys, depth, words):
    write_pairs(tmp_path / "pairs")
    Image.fromarray(depth).save(tmp_path / "pairs" / "depth" / "1.png")
    status, out, _ = call("evaluate", "--data", tmp_path / "pairs", "--protocol", "full", capsys=capsys)
    named = [line for line in out.splitlines() if "1.png" in line]
    assert status == 1 and len(named) == 1 and words in named[0], out


def test_info(capsys):
    status, out, _ = call("info", capsys=capsys)
    assert status == 0 and "Apache-2.0" in out and "δ1" in out


def test_demo(tmp_path, capsys):
    status, out, _ = call("demo", "--out", tmp_path / "out", capsys=capsys)
    assert status == 0 and str(tmp_path / "out" / "garage_depth.png") in out
    assert (tmp_path / "out" / "garage_depth.png").exists()


def test_version_and_help(capsys):
    assert call("--version", capsys=capsys)[1].strip().count(".") == 2
    assert "predict" in call("--help", capsys=capsys)[1]
