"""Miniatures of data layouts in their true form on disk."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
