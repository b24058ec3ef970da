"""A furnished room from a generator: of one of the `KINDS`, how large, and where things stand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from onedepth.data.furnished.catalogue import Catalogue, Piece
from onedepth.data.furnished.clutter import Clutter
from onedepth.data.furnished.kinds import COMMON, KINDS, Kind
from onedepth.data.furnished.mesh import Builder, Item, turned
from onedepth.data.furnished.palette import Palette
from onedepth.data.furnished.shell import Lamp, Shell, build_shell
from onedepth.data.furnished.space import Space, Wall, around

MOST_FACES = 260_000
LOADED = {  # has things on its top
    "table", "desk", "coffee_table", "dresser", "bedside", "washbasin", "stray", "shelf", "bed", "sofa", "chair",
    "kitchen_low", "fridge", "wardrobe",
}  # fmt: skip
SOFT = {"bed", "sofa", "armchair", "office_chair", "stool", "chair"}


@dataclass
class Room:
    """A furnished room.

    Attributes:
        kind: a name in `KINDS`.
        space: its size, and what is taken of it.
        shell: walls, windows, lamps, and the colours of the big surfaces.
        items: everything that is seen.
        lamps: all that shine, the table lamps too.
    """

    kind: str
    space: Space
    shell: Shell
    items: list[Item] = field(default_factory=list)
    lamps: list[Lamp] = field(default_factory=list)


def build_room(rng: np.random.Generator, catalogue: Catalogue) -> Room:
    """Draw a room and furnish it."""
    palette = Palette(rng, catalogue.textures)
    shares = np.array([kind.share for kind in KINDS.values()])
    name = list(KINDS)[int(rng.choice(len(KINDS), p=shares / shares.sum()))]
    kind = KINDS[name]
    width, length = palette.between(*kind.width), palette.between(*kind.length)
    if palette.chance(0.25):  # the large ones of their kind
        width, length = min(9, width * palette.between(1.1, 1.5)), min(10, length * palette.between(1.1, 1.5))
    if palette.chance(0.5):
        width, length = length, width
    height = palette.between(2.3, 2.9) if palette.chance(0.85) else palette.between(2.9, 3.6)
    space = Space(width, length, height)
    corner = palette.chance(0.2) and min(width, length) > 3
    shell = build_shell(
        palette, space, tiled=kind.tiled, corner=corner, window_rate=kind.windows, open_rate=kind.opened
    )
    furnisher = _Furnisher(palette, catalogue, space, shell, kind)
    furnisher.furnish()
    room = Room(name, space, shell, lamps=[*shell.lamps, *furnisher.lamps])
    walls = shell.builder.item(shadow=False)
    room.items = [walls, *furnisher.items]
    if not furnisher.builder.empty:
        room.items.append(furnisher.builder.item())
    return room


class _Furnisher:
    """Puts things into one room."""

    def __init__(self, palette: Palette, catalogue: Catalogue, space: Space, shell: Shell, kind: Kind) -> None:
        self.p, self.catalogue, self.space, self.shell, self.kind = palette, catalogue, space, shell, kind
        self.builder = Builder()
        self.clutter = Clutter(self.builder, palette)
        self.items: list[Item] = []
        self.lamps: list[Lamp] = []
        self.faces = 0
        self.mess = float(palette.rng.beta(1.2, 1.2)) * kind.clutter * 1.3

    def furnish(self) -> None:
        p = self.p
        ways = {
            "wall": self._at_wall, "corner": self._anywhere, "middle": self._anywhere, "floor": self._anywhere,
            "set": self._table_set, "desk": self._desk, "run": self._kitchen_run, "rack": self._rack,
            "aisle": self._aisle, "grid": self._grid, "hung": self._at_wall, "piles": self._pile,
        }  # fmt: skip
        for how, part, fewest, most in self.kind.plan:
            count = int(p.rng.integers(fewest, most + 1))
            for _ in range(count):
                if how == "rug":
                    self._rug()
                else:
                    ways[how](part)
        # More of the same and of what stands about anywhere, until the room is as full as it shall be.
        more = [(how, part) for how, part, _, most in self.kind.plan if most > 1] + COMMON
        area = self.space.width * self.space.length
        fullness = p.between(0.3, 0.95)
        for _ in range(60):
            used = sum((t[1] - t[0]) * (t[5] - t[4]) for t in self.space.taken if t[2] < 0.5)
            if used > fullness * area * 0.8:
                break
            how, part = more[int(p.rng.integers(len(more)))]
            if how != "rug":
                ways[how](part)
        for _ in range(int(p.rng.poisson(4 * self.mess))):
            self._small_on_floor()
        for _ in range(int(p.rng.poisson(2.2))):
            self._wall_picture()
        for wall, u, width, deep in self.shell.next_rooms:
            self._next_room(wall, u, width, deep)

    # ---- single pieces

    def _choose(self, part: str) -> Piece | None:
        pieces = self.catalogue.of(part)
        if not pieces:
            return None
        for _ in range(6):
            piece = pieces[int(self.p.rng.integers(len(pieces)))]
            model = self.catalogue.model(piece)
            if model is not None and self.faces + len(model[0].faces) < MOST_FACES:
                return piece
        return None

    def _put(self, piece: Piece, x: float, y: float, z: float, turn: float, scale: float, paints=None) -> list | None:
        """Adds the piece; gives its materials, so that its like can have the same."""
        model = self.catalogue.model(piece)
        if model is None or self.faces + len(model[0].faces) > MOST_FACES:
            return None
        mesh, materials = model
        self.faces += len(mesh.faces)
        if paints is None:
            soft = piece.part in SOFT
            paints = materials if self.p.chance(0.3) else [self.p.repaint(one, soft) for one in materials]
        self.items.append(Item(mesh, paints, turned(x, y, z, turn, (scale, scale, scale))))
        return paints

    def _size(self, piece: Piece, scale: float) -> tuple[float, float, float]:
        return (piece.size[0] * scale, piece.size[1] * scale, piece.size[2] * scale)

    def _scale(self) -> float:
        return float(np.clip(self.p.rng.normal(1, 0.04), 0.9, 1.1))

    def _spot_at_wall(self, size: tuple[float, float, float], bottom: float, gap: float, tries: int = 10):
        p = self.p
        for _ in range(tries):
            wall = self.shell.walls[int(p.rng.integers(4))]
            if wall.length < size[0]:
                continue
            u = p.between(size[0] / 2, wall.length - size[0] / 2)
            if p.chance(0.3):
                u = size[0] / 2 + 0.02 if p.chance(0.5) else wall.length - size[0] / 2 - 0.02
            x, z = wall.at(u, size[2] / 2 + gap)
            box = around(x, z, size, wall.turn, bottom)
            if self.space.inside(box) and self.space.free(box):
                return wall, u, x, z, box
        return None

    def _at_wall(self, part: str) -> None:
        piece = self._choose(part)
        if piece is None:
            return
        scale = self._scale()
        size = self._size(piece, scale)
        found = self._spot_at_wall(size, piece.elevation, self.p.between(0.02, 0.07))
        if found is None:
            return
        wall, _, x, z, box = found
        if self._put(piece, x, piece.elevation, z, wall.turn, scale) is not None:
            self.space.taken.append(box)
            self._load(piece, x, z, wall.turn, scale)

    def _anywhere(self, part: str) -> None:
        piece = self._choose(part)
        if piece is None:
            return
        scale, p = self._scale(), self.p
        size = self._size(piece, scale)
        bottom = piece.elevation if piece.elevation > 0.05 else 0.0
        for _ in range(8):
            turn = p.between(0, 2 * np.pi)
            x, z = p.between(0.3, self.space.width - 0.3), p.between(0.3, self.space.length - 0.3)
            box = around(x, z, size, turn, bottom)
            if self.space.inside(box) and self.space.free(box):
                if self._put(piece, x, bottom, z, turn, scale) is not None:
                    self.space.taken.append(box)
                    self._load(piece, x, z, turn, scale)
                return

    def _small_on_floor(self) -> None:
        p = self.p
        x, z = p.between(0.2, self.space.width - 0.2), p.between(0.2, self.space.length - 0.2)
        if not self.space.free((x - 0.12, x + 0.12, 0, 0.3, z - 0.12, z + 0.12)):
            return
        if p.chance(0.3):
            piece = self._choose("small")
            if piece is not None:
                self._put(piece, x, 0, z, p.between(0, 6.3), 1.0)
                return
        self.clutter.thing(x, 0, z, 0.4, 0.4)

    def _pile(self, part: str) -> None:
        del part
        p = self.p
        size = (p.between(0.3, 0.7), p.between(0.3, 1.6), p.between(0.3, 0.7))
        found = self._spot_at_wall(size, 0, 0.02, 4)
        if found:
            _, _, x, z, box = found
            self.clutter.pile(x, 0, z, min(size[0], size[2]) * 0.95, size[1])
            self.space.taken.append(box)

    def _rug(self) -> None:
        p, s = self.p, self.space
        size = (p.between(0.8, min(3.2, s.width * 0.9)), p.between(0.8, min(3.2, s.length * 0.9)))
        x = p.between(size[0] / 2, s.width - size[0] / 2)
        z = p.between(size[1] / 2, s.length - size[1] / 2)
        material = self.builder.material(p.picture("rug" if p.chance(0.7) else "cloth"))
        self.builder.quad(
            (x - size[0] / 2, 0.008, z - size[1] / 2), (size[0], 0, 0), (0, 0, size[1]), material, fit=True
        )

    def _wall_picture(self) -> None:
        p = self.p
        size = (p.between(0.2, 1.2), p.between(0.2, 0.9), 0.03)
        bottom = p.between(0.9, 1.7)
        if bottom + size[1] > self.space.height - 0.05:
            return
        found = self._spot_at_wall(size, bottom, 0.0, 5)
        if found is None:
            return
        wall, u, x, z, box = found
        self.space.taken.append(box)
        frame = self.builder.material(p.joinery())
        self.builder.box((x, bottom + size[1] / 2, z), size, frame, wall.turn)
        edge = 0.0 if p.chance(0.3) else p.between(0.01, 0.06)
        left, depth = wall.at(u - size[0] / 2 + edge, size[2] + 0.003)
        material = self.builder.material(p.picture("painting"))
        self.builder.quad(
            (left, bottom + edge, depth),
            (wall.dx * (size[0] - 2 * edge), 0, wall.dz * (size[0] - 2 * edge)),
            (0, size[1] - 2 * edge, 0), material, fit=True,
        )  # fmt: skip

    # ---- groups

    def _rack(self, part: str) -> None:
        del part
        p = self.p
        size = (p.between(0.5, 2.4), p.between(0.8, 2.3), p.between(0.22, 0.5))
        size = (size[0], min(size[1], self.space.height - 0.1), size[2])
        found = self._spot_at_wall(size, 0, 0.01)
        if found:
            wall, _, x, z, box = found
            self.clutter.shelves(x, z, wall.turn, size, p.between(0.3, 1))
            self.space.taken.append((box[0], box[1], 0, size[1] + 0.3, box[4], box[5]))

    def _aisle(self, part: str) -> None:
        del part
        p, s = self.p, self.space
        size = (p.between(1.2, 3), p.between(1.2, 2.2), p.between(0.3, 0.5))
        turn = 0.0 if p.chance(0.5) else np.pi / 2
        x, z = p.between(0.8, s.width - 0.8), p.between(0.8, s.length - 0.8)
        box = around(x, z, (size[0], size[1], size[2] * 2), turn)
        if s.inside(box) and s.free(box):
            dx, dz = np.sin(turn) * size[2] / 2, np.cos(turn) * size[2] / 2
            self.clutter.shelves(x + dx, z + dz, turn, size, p.between(0.4, 1))
            self.clutter.shelves(x - dx, z - dz, turn + np.pi, size, p.between(0.4, 1))
            s.taken.append(box)

    def _around_table(self, piece: Piece, x: float, z: float, turn: float, scale: float, chair: Piece, paints) -> list:
        """Chairs at the sides, some pushed back or turned."""
        p = self.p
        width, depth = piece.size[0] * scale, piece.size[2] * scale
        c, s = np.cos(turn), np.sin(turn)
        seats = []
        for side, span, reach in ((0, width, depth), (2, width, depth), (1, depth, width), (3, depth, width)):
            if side % 2 and p.chance(0.5):
                continue
            for k in range(max(1, int(span / 0.62))):
                if p.chance(0.2):
                    continue
                along = (k + 0.5) * span / max(1, int(span / 0.62)) - span / 2
                out = reach / 2 + chair.size[2] / 2 + p.between(-0.3, 0.25)
                dx, dz = [(along, out), (out, along), (along, -out), (-out, along)][side]
                px, pz = x + c * dx + s * dz, z - s * dx + c * dz
                # A chair's front is its +z: it looks at the table.
                facing = turn + np.pi + side * np.pi / 2 + float(p.rng.normal(0, 0.2))
                box = around(px, pz, chair.size, facing)
                if self.space.inside(box) and self.space.free(box, 0.02):
                    paints = self._put(chair, px, 0, pz, facing, 1.0, paints) or paints
                    seats.append(box)
        return seats

    def _table_set(self, part: str) -> None:
        p = self.p
        piece, chair = self._choose(part), self._choose("chair")
        if piece is None or piece.size[1] > 1.1:
            return
        scale = self._scale()
        size = self._size(piece, scale)
        for _ in range(8):
            turn = p.between(0, 6.3) if p.chance(0.3) else float(p.rng.integers(2)) * np.pi / 2
            x, z = p.between(0.5, self.space.width - 0.5), p.between(0.5, self.space.length - 0.5)
            box = around(x, z, size, turn)
            if self.space.inside(box) and self.space.free(box):
                if self._put(piece, x, 0, z, turn, scale) is None:
                    return
                self._load(piece, x, z, turn, scale)
                seats = self._around_table(piece, x, z, turn, scale, chair, None) if chair else []
                self.space.taken += [box, *seats]
                return

    def _desk(self, part: str) -> None:
        p = self.p
        piece, chair = self._choose(part), self._choose("office_chair" if p.chance(0.7) else "chair")
        if piece is None:
            return
        scale = self._scale()
        found = self._spot_at_wall(self._size(piece, scale), 0, p.between(0.02, 0.1))
        if found is None:
            return
        wall, u, x, z, box = found
        if self._put(piece, x, 0, z, wall.turn, scale) is None:
            return
        self._load(piece, x, z, wall.turn, scale)
        self.space.taken.append(box)
        if chair is not None:
            cx, cz = wall.at(u + p.between(-0.2, 0.2), piece.size[2] + chair.size[2] / 2 + p.between(-0.2, 0.3))
            turn = wall.turn + np.pi + float(p.rng.normal(0, 0.5))
            seat = around(cx, cz, chair.size, turn)
            if self.space.inside(seat) and self.space.free((*seat[:2], 0.0, 2.0, *seat[4:]), 0.25):
                self._put(chair, cx, 0, cz, turn, 1.0)
                self.space.taken.append(seat)

    def _kitchen_run(self, part: str) -> None:
        """Cupboards side by side along a wall, things on the worktop, cupboards above."""
        del part
        p = self.p
        wall = self.shell.walls[int(p.rng.integers(4))]
        kinds = [piece for name in ("kitchen_low", "kitchen_low", "stove") for piece in self.catalogue.of(name)]
        if not kinds:
            return
        u, paints = p.between(0, 0.4), {}
        main = kinds[int(p.rng.integers(len(kinds)))]
        front, top = self.builder.material(p.joinery()), self.builder.material(p.surface("stone", None, 1.2))
        steel = self.builder.material(p.plain((0.35, 0.35, 0.36)))
        upper = p.chance(0.8)
        while u < wall.length - 0.3:
            plain = p.chance(0.5)
            piece = main if p.chance(0.4) else kinds[int(p.rng.integers(len(kinds)))]
            size = (p.between(0.4, 0.8), 0.9, 0.6) if plain else piece.size
            if u + size[0] > wall.length:
                break
            middle = u + size[0] / 2
            x, z = wall.at(middle, size[2] / 2 + 0.01)
            box = around(x, z, size, wall.turn)
            if self.space.inside(box) and self.space.free(box):
                if plain:
                    self._cupboard(wall, middle, size, 0.0, front, steel)
                    self.builder.box((x, 0.885, z), (size[0], 0.04, 0.64), top, wall.turn)
                else:
                    paints[piece.model] = self._put(piece, x, 0, z, wall.turn, 1.0, paints.get(piece.model))
                self.space.taken.append(box)
                for _ in range(int(p.rng.poisson(2.5 * self.mess))):
                    tx, tz = wall.at(middle + p.between(-0.4, 0.4) * size[0], p.between(0.08, 0.5))
                    self._thing_or_piece(tx, (0.905 if plain else piece.top or size[1]), tz, 0.3, 0.4)
                high = p.between(0.55, 0.75)
                if upper and p.chance(0.8):
                    tall = (size[0], high, 0.34)
                    bx, bz = wall.at(middle, 0.18)
                    over = around(bx, bz, tall, wall.turn, 1.42)
                    if self.space.inside(over) and self.space.free(over):
                        self._cupboard(wall, middle, tall, 1.42, front, steel)
                        self.space.taken.append(over)
            u += size[0] + (0.0 if p.chance(0.85) else p.between(0.1, 0.8))

    def _cupboard(self, wall: Wall, u: float, size, bottom: float, front: int, steel: int) -> None:
        x, z = wall.at(u, size[2] / 2)
        b = self.builder
        b.box((x, bottom + size[1] / 2, z), (size[0] - 0.004, size[1], size[2]), front, wall.turn)
        x, z = wall.at(u, size[2] + 0.008)
        b.box((x, bottom + size[1] / 2 + 0.03, z), (size[0] - 0.02, size[1] - 0.1, 0.016), front, wall.turn)
        x, z = wall.at(u + size[0] * 0.3, size[2] + 0.03)
        b.box((x, bottom + size[1] * 0.75, z), (0.12, 0.012, 0.02), steel, wall.turn)

    def _grid(self, part: str) -> None:
        """Rows of desks with chairs, as in a class or at a meeting."""
        p, s = self.p, self.space
        piece, chair = self._choose(part if p.chance(0.6) else "desk"), self._choose("chair")
        if piece is None or chair is None or piece.size[1] > 1.1:
            return
        step_x, step_z = piece.size[0] + p.between(0.1, 0.9), piece.size[2] + p.between(0.9, 1.4)
        turn = 0.0 if p.chance(0.5) else np.pi
        paints = chair_paints = None
        z = p.between(0.9, 1.6)
        while z < s.length - 1.2:
            x = piece.size[0] / 2 + p.between(0.3, 0.5)
            while x < s.width - piece.size[0] / 2 - 0.2:
                box = around(x, z, piece.size, turn)
                if p.chance(0.9) and s.inside(box) and s.free(box):
                    paints = self._put(piece, x, 0, z, turn, 1.0, paints) or paints
                    self._load(piece, x, z, turn, 1.0)
                    s.taken.append(box)
                    for k in (-0.25, 0.25) if piece.size[0] > 1.1 else (0.0,):
                        cz = z + np.cos(turn) * (piece.size[2] / 2 + 0.2 + p.between(-0.1, 0.2))
                        cx, facing = x + k * piece.size[0], turn + np.pi + float(p.rng.normal(0, 0.15))
                        chair_paints = self._put(chair, cx, 0, cz, facing, 1.0, chair_paints) or chair_paints
                x += step_x
            z += step_z

    def _next_room(self, wall: Wall, u: float, width: float, deep: float) -> None:
        p = self.p
        if p.chance(0.4):
            size = (min(width - 0.2, p.between(0.6, 1.8)), p.between(0.8, 2.0), 0.35)
            x, z = wall.at(u, -0.15 - deep + 0.2)
            self.clutter.shelves(x, z, wall.turn, size, 0.7)
        piece = self._choose(str(p.rng.choice(["chair", "dresser", "plant", "sofa", "shelf", "table"])))
        if piece is not None and max(piece.size[0], piece.size[2]) < min(width, deep) - 0.6:
            x, z = wall.at(u + p.between(-0.2, 0.2) * width, -0.3 - deep / 2)
            self._put(piece, x, piece.elevation, z, wall.turn, 1.0)

    # ---- things on things

    def _thing_or_piece(self, x: float, y: float, z: float, widest: float, tallest: float) -> None:
        if self.p.chance(0.35):
            piece = self._choose("small")
            if piece is not None and piece.size[1] < tallest and max(piece.size[0], piece.size[2]) < widest * 1.3:
                self._put(piece, x, y, z, self.p.between(0, 6.3), 1.0)
                return
        self.clutter.thing(x, y, z, widest, tallest)

    def _load(self, piece: Piece, x: float, z: float, turn: float, scale: float) -> None:
        """Things on a piece's top."""
        p = self.p
        top = piece.top * scale
        if piece.part not in LOADED or not 0.2 < top < 1.9:
            return
        area = piece.size[0] * piece.size[2]
        soft = piece.part in {"bed", "sofa", "chair"}
        rate = min(14.0, (1.5 if soft else 9.0) * area) * self.mess
        if piece.part in {"shelf", "stray", "washbasin"}:
            rate *= 0.35
        c, s = np.cos(turn), np.sin(turn)
        used: list[tuple[float, float]] = []

        def spot() -> tuple[float, float] | None:
            for _ in range(5):
                dx, dz = p.between(-0.43, 0.43) * piece.size[0], p.between(-0.4, 0.4) * piece.size[2]
                if soft:
                    dx, dz = dx * 0.6, dz * 0.5 + 0.1 * piece.size[2]
                if all(abs(dx - a) + abs(dz - b) > 0.17 for a, b in used):
                    used.append((dx, dz))
                    return x + c * dx + s * dz, z - s * dx + c * dz
            return None

        chance = {"bedside": 0.6, "desk": 0.3, "dresser": 0.3, "coffee_table": 0.1, "table": 0.08}.get(piece.part, 0)
        if p.chance(chance):
            self._lamp_on(spot(), top)
        if p.chance({"desk": 0.8, "dresser": 0.35}.get(piece.part, 0)):
            self._screen_on(x - s * 0.1, z - c * 0.1, top, turn, piece)
            used.append((0.0, -0.1))
        if p.chance(0.15 if not soft else 0):
            plant, where = self._choose("small_plant"), spot()
            if plant is not None and where is not None:
                self._put(plant, where[0], top, where[1], p.between(0, 6.3), 1.0)
        for _ in range(int(p.rng.poisson(rate))):
            where = spot()
            if where is not None:
                self._thing_or_piece(where[0], top, where[1], 0.3, 0.4)

    def _lamp_on(self, where: tuple[float, float] | None, top: float) -> None:
        p, lamp = self.p, self._choose("lamp")
        if where is None or lamp is None:
            return
        if self._put(lamp, where[0], top, where[1], p.between(0, 6.3), 1.0) is not None and p.chance(0.5):
            power = p.between(0.1, 0.8)
            place = (where[0], top + lamp.size[1] + 0.1, where[1])
            self.lamps.append(
                Lamp(place, (power, power * 0.8, power * 0.5), (0, self.space.width, 0, self.space.length))
            )

    def _screen_on(self, x: float, z: float, top: float, turn: float, piece: Piece) -> None:
        p, b = self.p, self.builder
        if p.chance(0.35):
            model = self._choose("screen")
            if model is not None and model.size[0] < piece.size[0]:
                self._put(model, x, top, z, turn + p.between(-0.3, 0.3), 1.0)
                return
        width = min(p.between(0.38, 1.0 if piece.part == "dresser" else 0.62), piece.size[0])
        height, lift = width * p.between(0.56, 0.75), p.between(0.05, 0.14)
        c, s = np.cos(turn), np.sin(turn)
        b.box((x, top + lift + height / 2, z), (width, height, 0.04), self.clutter.dark, turn)
        corner = (x - c * (width / 2 - 0.015) + s * 0.022, top + lift + 0.015, z + s * (width / 2 - 0.015) + c * 0.022)
        b.quad(
            corner, (c * (width - 0.03), 0, -s * (width - 0.03)), (0, height - 0.03, 0), self.clutter.display, fit=True
        )
        b.box((x, top + lift / 2, z), (0.08, lift, 0.06), self.clutter.dark, turn)
        b.box((x, top + 0.008, z), (0.25, 0.016, 0.18), self.clutter.dark, turn)
