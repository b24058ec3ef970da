"""KITTI: raw recordings, and the annotated depth that belongs to them, by the list files of Eigen's split.

    RAW/2011_09_26/calib_cam_to_cam.txt
    RAW/2011_09_26/2011_09_26_drive_0057_sync/image_02/data/0000000311.png
    DEPTH/[train|val]/2011_09_26_drive_0057_sync/proj_depth/groundtruth/image_02/0000000311.png
    LIST    RGB DEPTH|None [FOCAL] or RGB,DEPTH a line, RGB from RAW, DEPTH from DEPTH (see `onedepth.data.lists`)

Depth is 16-bit grey PNG in metres × 256, 0 where no laser point fell: about a fifth of an image has truth. A line
with None has no truth at all, and so does its pair.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from onedepth.data.files import FilePairs, FileRow, check_limit
from onedepth.data.lists import Line, find_list, read_list
from onedepth.data.pictures import METRES_256, one_line
from onedepth.depth import Intrinsics
from onedepth.errors import DataError

CALIBRATION = "calib_cam_to_cam.txt"
DAYS = {
    "2011_09_26": Intrinsics(721.5377, 721.5377, 609.5593, 172.8540),
    "2011_09_28": Intrinsics(707.0493, 707.0493, 604.0814, 180.5066),
    "2011_09_29": Intrinsics(718.3351, 718.3351, 600.3891, 181.5122),
    "2011_09_30": Intrinsics(707.0912, 707.0912, 601.8873, 183.1104),
    "2011_10_03": Intrinsics(718.8560, 718.8560, 607.1928, 185.2157),
}
"""The left colour camera by the day of recording, from P_rect_02 of the day's calib_cam_to_cam.txt."""


class KittiData(FilePairs):
    """Pairs of a list file.

    The camera is, in this order: P_rect_02 (or 03, for pictures of the right camera) of the day's calibration file;
    what is known of the day, unless the list states another focal length; the list's focal length, in the
    picture's middle; that of 2011_09_26, the day of most recordings. All hold for pictures of the recorded size.

    Args:
        path: the folder of the raw recordings.
        files: the list, by its own path or by its path in that folder.
        limit: take only the first so many lines.
        depth_path: the folder of the annotated depth, with or without `train` and `val` in it; by default
            `data_depth_annotated` in `path`, or `path` itself.

    Raises:
        DataError: no folder, no list, a line that is not as the list's form says, or a calibration file that
            cannot be read. Missing files are found by `check`, or when they are read.
    """

    def __init__(
        self, path: str | Path, files: str | Path, limit: int | None = None, *, depth_path: str | Path | None = None
    ) -> None:
        folder = Path(path)
        check_limit(limit, folder)
        if depth_path is None:
            depths = folder / "data_depth_annotated"
            depths = depths if depths.is_dir() else folder
        else:
            depths = Path(depth_path)
        for one in (folder, depths):
            if not one.is_dir():
                raise DataError(f"{one}: no such folder, expected KITTI's raw recordings or annotated depth")

        @cache  # asked once for each recording, not for each picture
        def base(recording: str) -> Path:
            for part in ("", "train", "val"):
                if (depths / part / recording).is_dir():
                    return depths / part
            return depths

        @cache
        def calibration(day: str) -> dict[str, Intrinsics]:
            return read_calibration(folder / day / CALIBRATION)

        rows = (
            FileRow(
                line.id,
                folder / line.rgb,
                None if line.depth is None else base(line.depth.partition("/")[0]) / line.depth,
                _camera(line, calibration(line.rgb.partition("/")[0])),
                line.place,
            )
            for line in read_list(find_list(folder, files))[:limit]
        )
        super().__init__(folder, rows, METRES_256)


def read_calibration(path: Path) -> dict[str, Intrinsics]:
    """Cameras "02" and "03" of a calib_cam_to_cam.txt, after rectification; none where there is no such file.

    Raises:
        DataError: a file that is not as KITTI writes it.
    """
    try:
        texts = path.read_text("ascii").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a calibration file ({one_line(error)})") from error
    cameras: dict[str, Intrinsics] = {}
    for text in texts:
        key, _, values = text.partition(":")
        if key not in ("P_rect_02", "P_rect_03"):
            continue
        try:
            p = [float(value) for value in values.split()]
        except ValueError:
            p = []
        if len(p) != 12 or not all(map(math.isfinite, p)) or min(p[0], p[5]) <= 0:
            raise DataError(f"{path}: {key} is {values.strip()!r}, expected a 3×4 projection matrix")
        cameras[key[-2:]] = Intrinsics(p[0], p[5], p[2], p[6])
    if not cameras:
        raise DataError(f"{path}: no line P_rect_02 in it, expected KITTI's calibration of its cameras")
    return cameras


def _camera(line: Line, calibration: dict[str, Intrinsics]) -> Intrinsics | float:
    camera = "03" if "/image_03/" in line.rgb else "02"
    if camera in calibration:
        return calibration[camera]
    known = DAYS.get(line.rgb.partition("/")[0]) if camera == "02" else None
    if known is not None and (line.focal_px is None or abs(line.focal_px - known.fx) < 0.01):
        return known
    return line.focal_px or DAYS["2011_09_26"].fx
