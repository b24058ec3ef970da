"""How RGB-D data is named on the command line: the options that every verb which reads some has in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from onedepth.errors import DataError

if TYPE_CHECKING:
    from onedepth.data.pair import PairData
    from onedepth.data.recognise import Source

LAYOUT = Group("Layout", help="By default recognised by the files there are; see docs/data.md.")


@Parameter(name="*")
@dataclass(frozen=True)
class LayoutOptions:
    """What opens data, beside its path; each is None where it was not given."""

    layout: Annotated[str | None, Parameter(group=LAYOUT, help="Name of the layout.")] = None
    split: Annotated[str | None, Parameter(group=LAYOUT, help="Only this split.")] = None
    files: Annotated[str | None, Parameter(group=LAYOUT, help="List of pairs (bts, kitti).")] = None
    depth_path: Annotated[
        Path | None, Parameter(group=LAYOUT, help="Folder of the depths, if it is another (bts, kitti).")
    ] = None
    unit: Annotated[str | None, Parameter(group=LAYOUT, help="Of depth PNGs: mm, or m/256 (bts, siblings).")] = None
    val_scenes: Annotated[
        int | None,
        Parameter(group=LAYOUT, help="How many rooms are held out for split val (nyu_zip, nyu_mat)."),
    ] = None
    limit: Annotated[int | None, Parameter(group=LAYOUT, help="Only the first so many pairs of each split.")] = None

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of the layout's class, by name."""
        return {name: value for name, value in asdict(self).items() if name != "layout"}

    def name(self, path: Path) -> str:
        """The layout: the one that was named, or the one that the files at `path` have.

        Raises:
            DataError: no such layout, or none that is known.
        """
        from onedepth.data import LAYOUTS
        from onedepth.data.recognise import layout_of

        on_disk = [name for name in LAYOUTS if name != "synthetic"]
        if self.layout is not None and self.layout not in on_disk:
            raise DataError(f"--layout: no such layout {self.layout!r}, there are {', '.join(on_disk)}")
        return self.layout or layout_of(path, self.files)

    def open_parts(self, path: Path) -> tuple[str, list[tuple[str, PairData]]]:
        """The layout's name, and pairs by split (see `onedepth.data.recognise.open_parts`)."""
        from onedepth.data.recognise import open_parts

        name = self.name(path)
        return name, open_parts(path, name, self.arguments)

    def open_one(self, path: Path) -> tuple[Source, PairData]:
        """What the data is, and its pairs as one (see `onedepth.data.recognise.open_one`)."""
        from onedepth.data.recognise import open_one

        return open_one(path, self.name(path), self.arguments)


AS_RECOGNISED = LayoutOptions()
