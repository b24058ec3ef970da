"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onedepth.errors import OutputError

# What the user can do about it; everything else keeps the system's own words.
_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EISDIR: "it is a folder; give a file name",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "a part of its path is a file, not a folder",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Write a file beside its target and move it into place at the end.

    Missing parent folders are made. Whatever interrupts the body (an error, a full disk, Ctrl-C), the
    temporary file is removed and an older file at `path` stays as it was; a killed process leaves at most a
    hidden `.onedepth-*` file behind. A symbolic link keeps its place and its target is replaced. The new file
    has the permissions of the one it replaces, or those that any new file gets.

    Args:
        path: where the file shall be.
        durable: wait until the content is on the disk. Without it, a power cut may leave a file that is empty:
            for many small files that can be made again.

    Yields:
        Path of an empty file in the same folder, with the same suffix: write there, and close it.

    Raises:
        OutputError: the place cannot be written; also any OSError that the body raises, so let it only write.
    """
    temporary: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        mode = _mode_of(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not made from the target's name, which may be as long as names can be.
        temporary = target.with_name(f".onedepth-{os.getpid()}-{secrets.token_hex(4)}{target.suffix[:8]}")
        # os.open, because tempfile's files are private to the user and would stay so after the move.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())  # or a power cut could leave the new name with no content
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Refuse a place where `replacing` could not write, before the work is done whose result belongs there.

    Nothing stays behind. A disk can still fill up afterwards.

    Raises:
        OutputError: as `replacing`.
    """
    try:
        target = Path(os.path.realpath(path))
        _mode_of(target)
        folder = next(parent for parent in target.parents if parent.exists())
        probe = folder / f".onedepth-{os.getpid()}-{secrets.token_hex(4)}"
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}") from error


def _mode_of(target: Path) -> int | None:
    """Permissions of the file to be replaced; None where there is none.

    Raises:
        OSError: a folder stands there, or a file that its owner made read-only (a move would not ask).
    """
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return stat.S_IMODE(status.st_mode)


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)
