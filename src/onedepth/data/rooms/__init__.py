"""Furnished rooms from a seed: `build_room` draws one, `cast` looks into it, `shade` lights it.

Room and camera are apart, so that a room can be walked through: move the camera along `Room.path`.

All of it is built from + − × ÷, square root, rounding and integer hashing, which give the same bits on every
platform; sin, exp, matrix products and sums over an axis are avoided because they do not.
"""

from onedepth.data.rooms.geometry import Camera, Hits, Light, Material, Room, Solid, cast
from onedepth.data.rooms.light import shade
from onedepth.data.rooms.plan import build_room

__all__ = ["Camera", "Hits", "Light", "Material", "Room", "Solid", "build_room", "cast", "shade"]
