"""What a user names on the command line: files, folders, patterns → pictures' paths."""

from __future__ import annotations

import glob
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from onedepth.errors import ImageError
from onedepth.images import FORMATS, label_of

SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)


def find_images(inputs: Sequence[str | Path], *, recursive: bool = False) -> list[Path]:
    """Expand files, folders and glob patterns to one list of files, each once, img2 before img10.

    Folders give the files with one of `SUFFIXES`, without hidden ones (so without macOS's "._" files); a
    pattern gives every file that matches, as a shell would. A file that is named is kept as it is, even if
    missing: `load_photo` will say so, and a batch can go on past it.

    Args:
        inputs: files, folders and patterns (`*`, `?`, `[]`, `**`), mixed; their order does not matter.
        recursive: look into the folders of a folder as well.

    Raises:
        ImageError: a folder without pictures, or a pattern that matches no file.
    """
    found: list[Path] = []
    for item in [inputs] if isinstance(inputs, str | Path) else inputs:
        path = Path(item)
        if not str(item):
            raise ImageError("an empty name was given, expected a picture, a folder or a pattern")
        if path.is_dir():
            found += _in_folder(path, recursive)
        elif not path.exists() and any(mark in str(item) for mark in "*?["):
            found += _in_pattern(str(item))
        else:
            found.append(path)
    unique: dict[Path, Path] = {}
    for path in sorted(found, key=_natural):
        # The folder is resolved, the file is not: two links to one file are two names and two results.
        unique.setdefault(path.parent.resolve() / path.name, path)
    return list(unique.values())


def result_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for each picture's results: its own without suffix, longer where two would overwrite each other.

    Names that differ by case alone count as one, as they do on macOS and Windows.
    """
    forms = (
        lambda path: path.stem,
        lambda path: path.name.replace(".", "_"),
        lambda path: f"{path.absolute().parent.name}_{path.name.replace('.', '_')}",
    )
    wanted = {path: [form(path) for form in forms] for path in paths}
    wishes = Counter(name.casefold() for names in wanted.values() for name in set(names))
    result: dict[Path, str] = {}
    taken: set[str] = set()
    for path, names in wanted.items():
        numbered = (f"{names[-1]}_{number}" for number in itertools.count(2))
        free = (name for name in names if wishes[name.casefold()] == 1)
        name = next(free, None) or next(n for n in numbered if n.casefold() not in taken and n.casefold() not in wishes)
        taken.add(name.casefold())
        result[path] = name
    return result


def is_result(path: Path) -> bool:
    """Whether a file is what `onedepth predict` wrote: a folder that also takes the results can be given again."""
    millimetres = path.with_name(path.name.replace("_depth.png", "_depth_mm.png"))
    if not millimetres.name.endswith("_depth_mm.png"):
        return False
    try:
        with Image.open(millimetres) as picture:
            return str(picture.info.get("Software", "")).startswith("onedepth")
    except (OSError, ValueError):
        return False


def _in_folder(folder: Path, recursive: bool) -> list[Path]:
    """Pictures in a folder, hidden ones left out."""
    try:
        entries = list(folder.rglob("*") if recursive else folder.iterdir())
    except OSError as error:
        raise ImageError(
            f"{label_of(folder)}: folder cannot be read ({error.strerror}); check its permissions"
        ) from error
    found = [
        path
        for path in entries
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
        and not is_result(path)
    ]
    if not found:
        where = "it and its folders" if recursive else "it (--recursive or recursive=True also looks into its folders)"
        raise ImageError(f"{label_of(folder)}: no pictures in {where}; expected files such as .jpg, .png or .tif")
    return found


def _in_pattern(pattern: str) -> list[Path]:
    """Files that match a glob pattern; `**` crosses folders, hidden files only match a leading dot."""
    found = [path for path in map(Path, glob.glob(pattern, recursive=True)) if path.is_file()]  # noqa: PTH207
    if not found:
        raise ImageError(
            f"{label_of(Path(pattern))}: the pattern matches no file; check it, or name a file or a folder"
        )
    return found


def _natural(path: Path) -> tuple[list[list[str | int]], str]:
    """Sort key: numbers by value, letters without case, folder by folder; the path itself breaks ties."""
    key: list[list[str | int]] = []
    for part in path.parts:
        pieces = re.split(r"(\d+)", part.casefold())  # text and digits take turns, so only like meets like
        key.append([int(piece) if index % 2 else piece for index, piece in enumerate(pieces)])
    return key, str(path)
