"""A walk through a synthetic room, frame by frame, with exact depth and the camera's exact path.

The walker goes to and fro along the room's free path (`Room.path`) with the camera in the hand: it looks about, sways
and shakes. The camera keeps the exposure it chose for the first frame but for a slow drift of brightness and colour,
and each frame has its own noise. As in `synthetic`, the same bits on every platform; frame k does not depend on how
many frames are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onedepth.canonical import NYU_FOCAL
from onedepth.data.rooms import Camera, Room, build_room, cast, shade
from onedepth.data.rooms.dice import Dice
from onedepth.data.synthetic import SEED_LIMIT, check_camera, check_range, develop, middle_brightness
from onedepth.depth import Intrinsics
from onedepth.errors import DataError

FPS = 30
SPEED_M = 0.6  # metres walked in a second
GLANCE_S = 2.5  # seconds from one direction of sight to the next
NOISE = 4.0  # standard deviation of the sensor's noise, grey levels of 255
_GRAIN_SD = 104.5  # standard deviation of the difference of two draws from 0…255


@dataclass(frozen=True)
class FlyFrame:
    """One frame of a walk through a room.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB.
        depth_m: float32 `[H, W]`, metres along the optical axis, exact.
        intrinsics: camera in pixels of `image`.
        camera_to_world: float64 `[4, 4]`, camera frame (x right, y down, z forward, metres) to the room's.
    """

    image: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    intrinsics: Intrinsics
    camera_to_world: NDArray[np.float64]


def fly_through(
    seed: int,
    index: int,
    frames: int = 300,
    height: int = 480,
    width: int = 640,
    *,
    focal: float = NYU_FOCAL,
    noise: float = NOISE,
    drift: float = 0.15,
) -> Iterator[FlyFrame]:
    """Walk through room `index` of collection `seed`, at 30 frames a second.

    Args:
        seed: names the collection, 0…2³²-1; the room is that of `render_scene(seed, index)`.
        index: names the room in it, 0…2³²-1.
        frames: how many, 1…10⁶.
        height: of the frames, pixels.
        width: of the frames, pixels.
        focal: focal length in pixels per image width.
        noise: standard deviation of the sensor's noise, grey levels of 255.
        drift: how far brightness wanders from the first frame's, as a share.

    Raises:
        DataError: an argument out of range.
    """
    check_range("room index", index, 0, SEED_LIMIT - 1)
    check_range("frames", frames, 1, 10**6)
    check_camera(seed, height, width, focal)
    if not (0 <= noise <= 50 and 0 <= drift <= 0.5):
        raise DataError(f"noise {noise}, drift {drift}: give 0 to 50 grey levels and a share from 0 to 0.5")
    return _frames(seed, index, frames, (height, width), focal=focal, noise=noise, drift=drift)


def _frames(
    seed: int, index: int, frames: int, size: tuple[int, int], *, focal: float, noise: float, drift: float
) -> Iterator[FlyFrame]:
    height, width = size
    room = build_room(np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index]))))
    intrinsics = Intrinsics.centred(focal * width, height, width)
    dice = Dice(_generator(seed, index, 1))
    cameras = _walk(room, dice, intrinsics, height, width)
    brightness, red, blue = (_Wander(Dice(_generator(seed, index, 2 + i)), step=25) for i in range(3))
    falloff, level = dice.between(0.1, 0.5), dice.between(0.25, 0.4)
    exposure = None
    for number in range(frames):
        camera = next(cameras)
        hits = cast(room, camera)
        light = shade(room, hits, camera)
        if exposure is None:
            exposure = level / middle_brightness(light)
        green = exposure * (1 + drift * brightness.at(number))
        gains = (green * (1 + drift / 5 * red.at(number)), green, green * (1 + drift / 5 * blue.at(number)))
        image = develop(light, gains, falloff, noise / _GRAIN_SD, _generator(seed, index, 9, number))
        pose = np.eye(4)
        pose[:3, :3] = np.array(camera.axes).T
        pose[:3, 3] = camera.eye
        yield FlyFrame(image, hits.depth_m.astype(np.float32), intrinsics, pose)


def _generator(*words: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


class _Wander:
    """Smooth noise in -1…1 that begins at 0: a new value every `step` frames, and a soft passage between."""

    def __init__(self, dice: Dice, step: int) -> None:
        self.dice, self.step = dice, step
        self.values = [0.0, dice.between(-1, 1)]

    def at(self, frame: int) -> float:
        """The value at a frame; frames are asked for in order."""
        knot, share = divmod(frame, self.step)
        while len(self.values) < knot + 2:
            self.values.append(self.dice.between(-1, 1))
        before, after = self.values[knot : knot + 2]
        return before + (after - before) * _soft(share / self.step)


def _soft(t: float) -> float:
    """0…1 to 0…1 with no speed and no push at the ends."""
    return t * t * t * (10 + t * (6 * t - 15))


def _walk(room: Room, dice: Dice, intrinsics: Intrinsics, height: int, width: int) -> Iterator[Camera]:
    """The cameras of all frames, without end."""
    (ax, az), (bx, bz) = room.path
    length = math.sqrt((bx - ax) * (bx - ax) + (bz - az) * (bz - az))
    leg = max(round(FPS * length / SPEED_M), 2 * FPS)  # frames from one end to the other
    eye_m = dice.between(1.3, 1.7)
    hand = dice.whole(0, SEED_LIMIT - 1)
    sway = [_Wander(Dice(_generator(hand, i)), step) for i, step in enumerate((14, 11, 9, 7, 40))]
    glance = round(FPS * GLANCE_S)

    def stand(frame: int) -> tuple[float, float]:
        lap, share = divmod(frame, leg)
        t = _soft(share / leg)
        t = 1 - t if lap % 2 else t
        return ax + (bx - ax) * t, az + (bz - az) * t

    directions = [_open_direction(room, stand(0), dice, None)]
    frame = 0
    while True:
        knot, share = divmod(frame, glance)
        while len(directions) < knot + 2:
            directions.append(_open_direction(room, stand(len(directions) * glance), dice, directions[-1]))
        t = _soft(share / glance)
        x, z = stand(frame)
        dx, dz = (a + (b - a) * t for a, b in zip(directions[knot], directions[knot + 1], strict=True))
        right, up, turn, nod, roll = (wander.at(frame) for wander in sway)
        eye = (x + 0.02 * right * dz, -eye_m + 0.015 * up, z - 0.02 * right * dx)
        target = (eye[0] + dx + 0.02 * turn * dz, eye[1] + 0.2 + 0.02 * nod, eye[2] + dz - 0.02 * turn * dx)
        yield Camera.looking(eye, target, intrinsics, height, width, roll=0.01 * roll)
        frame += 1


def _open_direction(
    room: Room, stand: tuple[float, float], dice: Dice, before: tuple[float, float] | None
) -> tuple[float, float]:
    """Where the walker looks next: of a few directions, not far from the last, the one with the farthest wall."""
    options = []
    for _ in range(4):
        x, z = dice.turn()
        if before is not None:  # at most about 50° to a side
            turn = dice.side() * dice.between(0.2, 1.1)
            x, z = before[0] + turn * before[1], before[1] - turn * before[0]
            norm = math.sqrt(x * x + z * z)
            x, z = x / norm, z / norm
        ways = [((room.size[axis] if d > 0 else 0.0) - at) / d if abs(d) > 1e-6 else math.inf
                for axis, at, d in ((0, stand[0], x), (2, stand[1], z))]  # fmt: skip
        options.append((min(ways), (x, z)))
    return max(options)[1]
