"""Synthetic rooms with exact depth: for tests, for a first training, for seeing that a network learns.

`render_scene(seed, index)` is one scene, the same on every platform; `SyntheticData` is a data set of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onedepth.canonical import NYU_FOCAL
from onedepth.data.pair import Pair, PairData
from onedepth.data.rooms import Camera, Room, build_room, cast, shade
from onedepth.data.rooms.dice import Dice
from onedepth.depth import Intrinsics
from onedepth.errors import DataError

Split = Literal["train", "val", "test"]

# Scene numbers are dealt out in turn, so that splits never share one whatever their sizes.
SPLITS: tuple[Split, ...] = ("train", "val", "test")
# SeedSequence takes numbers apart into 32-bit words: below this limit no two scenes share a seed.
SEED_LIMIT = 2**32
SMALLEST, LARGEST = 8, 2048  # sides of a picture, pixels


@dataclass(frozen=True)
class SyntheticScene:
    """A photo of a room that was never built.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB.
        depth_m: float32 `[H, W]`, metres along the optical axis; every pixel has one, at most 10.
        normals: float32 `[H, W, 3]`, unit length, camera frame (x right, y down, z forward), facing it.
        intrinsics: camera in pixels of `image`.
    """

    image: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    normals: NDArray[np.float32]
    intrinsics: Intrinsics


def render_scene(
    seed: int, index: int, height: int = 120, width: int = 160, focal: float = NYU_FOCAL
) -> SyntheticScene:
    """Build scene `index` of `seed` and photograph it; the room and the viewpoint do not depend on the size.

    Args:
        seed: names the collection, 0…2³²-1.
        index: names the scene in it, 0…2³²-1.
        height: of the image, pixels.
        width: of the image, pixels.
        focal: focal length in pixels per image width.

    Raises:
        DataError: an argument out of range.
    """
    check_range("scene index", index, 0, SEED_LIMIT - 1)
    check_camera(seed, height, width, focal)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
    room = build_room(rng)
    camera = stand(room, rng, Intrinsics.centred(focal * width, height, width), height, width)
    hits = cast(room, camera)
    return SyntheticScene(
        image=photograph(shade(room, hits, camera), rng),
        depth_m=hits.depth_m.astype(np.float32),
        normals=hits.camera_normals(camera),
        intrinsics=camera.intrinsics,
    )


def stand(room: Room, rng: np.random.Generator, intrinsics: Intrinsics, height: int, width: int) -> Camera:
    """A camera as somebody holds it who stands where the room's path begins and looks across the room."""
    dice = Dice(rng)
    (x, z), (wide, _, long) = room.path[0], room.size
    eye = (x, -dice.between(1.2, 1.75), z)
    # Of a few spots on the floor the farthest one: people do not photograph the wall in front of their nose.
    spots = [(dice.between(0, wide), dice.between(0, long)) for _ in range(dice.choice([2, 3, 5]))]
    away2, (tx, tz) = max(((sx - x) * (sx - x) + (sz - z) * (sz - z), (sx, sz)) for sx, sz in spots)
    if away2 < 0.01:  # just in front of the feet: no direction to speak of
        tx, tz, away2 = x, z + 1.0, 1.0
    # Aimed between knee and eye, but not steeply down: some floor in most pictures, as in people's own.
    drop = min(dice.between(0.0, -eye[1] - 0.5), 0.5 * math.sqrt(away2))
    return Camera.looking(eye, (tx, eye[1] + drop, tz), intrinsics, height, width, roll=dice.between(-0.02, 0.02))


def photograph(light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn linear light `[3, H, W]` into a picture, uint8 `[H, W, 3]`: exposure, lens and sensor."""
    dice = Dice(rng)
    exposure = dice.between(0.2, 0.42) / middle_brightness(light)
    gains = (exposure * dice.between(0.92, 1.08), exposure, exposure * dice.between(0.92, 1.08))
    return develop(light, gains, dice.between(0.1, 0.6), dice.between(0.004, 0.02), rng)


def middle_brightness(light: NDArray[np.float32]) -> float:
    """Median of the green light in `[3, H, W]`: some lamps are in the picture, so it tells more than the mean."""
    _, height, width = light.shape
    return max(float(np.partition(light[1].ravel(), height * width // 2)[height * width // 2]), 1e-4)


def develop(
    light: NDArray[np.float32],
    gains: tuple[float, float, float],
    falloff: float,
    graininess: float,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Turn linear light `[3, H, W]` into a picture, uint8 `[H, W, 3]`.

    Args:
        light: linear RGB.
        gains: exposure and white balance, by channel.
        falloff: how much darker the lens is towards its rim.
        graininess: the sensor's noise; its standard deviation is 104.5 grey levels times this.
        rng: draws the noise.
    """
    _, height, width = light.shape
    u = (np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)) / np.float32(width)
    v = (np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)) / np.float32(width)
    rim = 1 + np.float32(falloff) * (u * u + (v * v)[:, None])
    picture = light * np.array(gains, np.float32)[:, None, None] / (rim * rim)
    picture = _soften(picture)
    picture = picture * (1 + picture * np.float32(0.15)) / (1 + picture)  # highlights roll off
    picture = np.sqrt(np.minimum(picture, 1)) * 255
    grain = rng.integers(0, 256, (2, 3, height, width), dtype=np.uint8).astype(np.float32)
    picture = picture + (grain[0] - grain[1]) * np.float32(graininess)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


def _soften(picture: NDArray[np.floating]) -> NDArray[np.floating]:
    """A lens spreads a point over its neighbours: smooths the steps of slanted edges."""
    for axis in (1, 2):
        ends = [(0, 0), (0, 0), (0, 0)]
        ends[axis] = (1, 1)
        padded = np.pad(picture, ends, mode="edge")
        length = picture.shape[axis]
        before, after = (np.take(padded, np.arange(i, i + length), axis=axis) for i in (0, 2))
        picture = picture * np.float32(0.7) + (before + after) * np.float32(0.15)
    return picture


class SyntheticData(PairData):
    """A data set of synthetic rooms, rendered when asked for; any order, any number of times, the same pairs.

    Splits of one seed never share a scene: train has scenes 0, 3, 6 …, val 1, 4, 7 …, test 2, 5, 8 ….
    The id of a pair names its seed and scene: "synthetic-0-00012" is `render_scene(0, 12)`.
    """

    def __init__(
        self, count: int, seed: int = 0, height: int = 120, width: int = 160, split: Split = "train",
        *, focal: float = NYU_FOCAL,
    ) -> None:  # fmt: skip
        """See `render_scene` for the arguments.

        Raises:
            DataError: an argument out of range, or an unknown split.
        """
        if split not in SPLITS:
            raise DataError(f"split {split!r} is unknown: synthetic data has {', '.join(SPLITS)}")
        check_range("count", count, 1, SEED_LIMIT // len(SPLITS))
        check_camera(seed, height, width, focal)
        super().__init__(int(count))
        self.seed, self.height, self.width = seed, height, width
        self.split: Split = split
        self.focal = focal

    def _scene(self, row: int) -> int:
        return row * len(SPLITS) + SPLITS.index(self.split)

    def _id(self, row: int) -> str:
        return f"synthetic-{self.seed}-{self._scene(row):05d}"

    def _damage(self, row: int) -> str | None:
        del row
        return None  # there is no file that could be damaged

    def _read(self, row: int) -> Pair:
        rendered = render_scene(self.seed, self._scene(row), self.height, self.width, self.focal)
        return Pair(
            id=self._id(row),
            image=rendered.image,
            depth_m=rendered.depth_m,
            valid=np.ones(rendered.depth_m.shape, np.bool_),
            intrinsics=rendered.intrinsics,
        )


def check_camera(seed: int, height: int, width: int, focal: float) -> None:
    """Refuse what no scene can be rendered with.

    Raises:
        DataError: an argument out of range.
    """
    check_range("seed", seed, 0, SEED_LIMIT - 1)
    check_range("height", height, SMALLEST, LARGEST)
    check_range("width", width, SMALLEST, LARGEST)
    if not 0.2 <= focal <= 5:
        raise DataError(f"focal is {focal}: give pixels per image width, from 0.2 to 5 (a phone has about 0.8)")


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Refuse what is not a whole number from `low` to `high`.

    Raises:
        DataError: it is not.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
        raise DataError(f"{name} is {value!r}: give a whole number from {low} to {high}")
