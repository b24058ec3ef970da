"""Miniatures of data layouts in their true form on disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onedepth.data.bts import BtsData
from onedepth.data.folder import FolderData
from onedepth.data.kitti import KittiData
from onedepth.data.nyu_mat import NyuMatData
from onedepth.data.nyu_test_zip import NyuTestZipData
from onedepth.data.nyu_zip import NyuZipData
from onedepth.data.pair import PairData
from onedepth.data.siblings import SiblingsData
from onedepth.errors import DataError

SCENES = ("basement_0001a", "basement_0001b", "bedroom_0001", "cafe_0001", "kitchen_0003", "office_0004", "study_0001")


def message_of(call, *args, **kwargs) -> str:
    """What a DataError says, which is one line."""
    with pytest.raises(DataError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def png(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def jpeg(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG")
    return stream.getvalue()


def colours(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def nyu_members(size: tuple[int, int] = (48, 64), count: int = 2) -> dict[str, bytes]:
    """Content of a small nyu_data.zip: `count` pairs of each scene, two test pairs."""
    width = size[1]
    train, test = [], []
    members = {}
    ramp = np.broadcast_to(np.arange(width) * 10, size)
    for seed, scene in enumerate(SCENES):
        image, depth = jpeg(colours(seed, *size)), png((ramp % 256).clip(1).astype(np.uint8) * (ramp > 0))
        for number in range(1, count + 1):
            name = f"data/nyu2_train/{scene}_out/{number}"
            members |= {f"{name}.jpg": image, f"{name}.png": depth}
            train.append(f"{name}.jpg,{name}.png\n")
    for number in range(2):
        name = f"data/nyu2_test/{number:05d}"
        members |= {
            f"{name}_colors.png": png(colours(number, *size)),
            f"{name}_depth.png": png((ramp * 10 + number).astype(np.uint16)),
        }
        test.append(f"{name}_colors.png,{name}_depth.png\n")
    lists = {"data/nyu2_train.csv": "".join(train).encode(), "data/nyu2_test.csv": "".join(test).encode()}
    return lists | members


def write_nyu_zip(
    path: Path,
    members: dict[str, bytes] | None = None,
    method: int = zipfile.ZIP_STORED,
    packed_members_only: int | None = None,
    **size,
) -> Path:
    """`packed_members_only` packs pictures otherwise than lists."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in (members if members is not None else nyu_members(**size)).items():
            picture = packed_members_only is not None and not name.endswith(".csv")
            file.writestr(name, content, packed_members_only if picture else None)
    return path


# -- every layout in miniature: three pairs of 64×48 pixels whose depth is ramp_m, of which column 0 has no truth

HEIGHT, WIDTH = 48, 64


def ramp_m(seed: int) -> np.ndarray:
    """float64 `[H, W]`, metres that every layout can store: multiples of 1/8 m, 0 in column 0."""
    return np.broadcast_to(np.arange(WIDTH) / 8, (HEIGHT, WIDTH)) + (np.arange(WIDTH) > 0) * seed / 8


def millimetres(seed: int) -> bytes:
    return png((ramp_m(seed) * 1000).astype(np.uint16))


def metres_256(seed: int) -> bytes:
    return png((ramp_m(seed) * 256).astype(np.uint16))


def write_files(root: Path, contents: dict[str, bytes | str]) -> Path:
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def write_folder(root: Path) -> PairData:
    rows = "".join(f"p{n},rgb/{n}.png,d/{n}.png\n" for n in range(3))
    contents: dict[str, bytes | str] = {"index.csv": "id,rgb,depth\n" + rows}
    for n in range(3):
        contents |= {f"rgb/{n}.png": png(colours(n)), f"d/{n}.png": millimetres(n)}
    return FolderData(write_files(root, contents))


def write_siblings(root: Path) -> PairData:
    contents: dict[str, bytes | str] = {}
    for n in range(3):
        contents |= {f"rgb/attic/{n}.png": png(colours(n)), f"depth/attic/{n}.png": millimetres(n)}
    return SiblingsData(write_files(root, contents))


def write_bts(root: Path) -> PairData:
    contents: dict[str, bytes | str] = {}
    lines = []
    for n in range(3):
        rgb, depth = f"kitchen_0028b/rgb_{n:05d}.png", f"kitchen_0028b/sync_depth_{n:05d}.png"
        contents |= {rgb: png(colours(n)), depth: millimetres(n)}
        lines.append(f"/{rgb} /{depth} 51.88579\n")
    write_files(root, contents | {"nyudepthv2_train_files_with_gt.txt": "".join(lines)})
    return BtsData(root, "nyudepthv2_train_files_with_gt.txt")


CALIBRATION = """calib_time: 09-Jan-2012 13:57:47
corner_dist: 9.950000e-02
S_rect_02: 1.242000e+03 3.750000e+02
P_rect_02: 7.215377e+02 0 6.095593e+02 4.485728e+01 0 7.215377e+02 1.728540e+02 2.163791e-01 0 0 1 2.745884e-03
P_rect_03: 7.215377e+02 0 6.095593e+02 -3.395242e+02 0 7.215377e+02 1.728540e+02 2.199936e+00 0 0 1 2.729905e-03
"""


def write_kitti(root: Path) -> PairData:
    contents: dict[str, bytes | str] = {"2011_09_26/calib_cam_to_cam.txt": CALIBRATION}
    lines = []
    for n in range(3):
        rgb = f"2011_09_26/2011_09_26_drive_0057_sync/image_02/data/{n:010d}.png"
        depth = f"2011_09_26_drive_0057_sync/proj_depth/groundtruth/image_02/{n:010d}.png"
        contents |= {rgb: png(colours(n)), f"data_depth_annotated/train/{depth}": metres_256(n)}
        lines.append(f"{rgb} {depth} 721.5377\n")
    write_files(root, contents | {"eigen_train_files_with_gt.txt": "".join(lines)})
    return KittiData(root, "eigen_train_files_with_gt.txt")


def write_nyu_zip_pairs(root: Path) -> PairData:
    """The test pairs: only they are in millimetres."""
    members: dict[str, bytes] = {"data/nyu2_train.csv": b"a,b\n"}
    lines = []
    for n in range(3):
        name = f"data/nyu2_test/{n:05d}"
        members |= {f"{name}_colors.png": png(colours(n)), f"{name}_depth.png": millimetres(n)}
        lines.append(f"{name}_colors.png,{name}_depth.png\n")
    path = write_nyu_zip(root / "nyu_data.zip", members | {"data/nyu2_test.csv": "".join(lines).encode()})
    return NyuZipData(path, "test")


def npy(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def nyu_test_members() -> dict[str, bytes]:
    return {
        "eigen_test_rgb.npy": npy(np.stack([colours(n) for n in range(3)])),
        "eigen_test_depth.npy": npy(np.stack([ramp_m(n) for n in range(3)]).astype(np.float32)),
        "eigen_test_crop.npy": npy(np.array([20, 459, 24, 615])),
    }


def write_nyu_test_zip(root: Path) -> PairData:
    return NyuTestZipData(write_nyu_zip(root / "nyu_test.zip", nyu_test_members(), zipfile.ZIP_DEFLATED))


def write_mat_file(path: Path, scenes: tuple[str, ...] = ("kitchen_0028a", "kitchen_0028b", "office_0001")) -> Path:
    """As MATLAB 7.3 writes it: axes reversed, texts as references to columns of UTF-16 numbers."""
    h5py = pytest.importorskip("h5py")  # the extra `data`; the ground floor goes without

    with h5py.File(path, "w") as file:
        file["images"] = np.stack([colours(n % 3).transpose(2, 1, 0) for n in range(len(scenes))])
        file["depths"] = np.stack([ramp_m(n % 3).T for n in range(len(scenes))]).astype(np.float32)
        references = file.create_dataset("scenes", (1, len(scenes)), h5py.ref_dtype)
        for number, name in enumerate(scenes):
            text = file.create_dataset(f"#refs#/{number}", data=np.array([[ord(one)] for one in name], np.uint16))
            references[0, number] = text.ref
    return path


def write_splits(path: Path, train=(1, 2, 3, 4), test=(5, 6)) -> None:
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(path, {"trainNdxs": np.array(train)[:, None], "testNdxs": np.array(test)[:, None]})


def write_nyu_mat(root: Path) -> PairData:
    return NyuMatData(write_mat_file(root / "nyu_depth_v2_labeled.mat"))


MINIATURES: dict[str, Callable[[Path], PairData]] = {
    "folder": write_folder,
    "siblings": write_siblings,
    "nyu_zip": write_nyu_zip_pairs,
    "nyu_test_zip": write_nyu_test_zip,
    "nyu_mat": write_nyu_mat,
    "bts": write_bts,
    "kitti": write_kitti,
}
"""For each layout on disk, what writes one in an empty folder and opens it."""
