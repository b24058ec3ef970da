"""A ZIP archive of many small files, read in place: a compact index, one read per member, no shared file position.

Python's own `zipfile` keeps some 600 bytes of objects for each member, which every worker process copies as soon as
it touches them, and a lock around the file. This keeps 40 bytes of arrays for each member and reads with `pread`,
so forked and spawned processes and threads share one archive without seeing each other.

Format: APPNOTE.TXT 6.3.10 by PKWARE, sections 4.3 to 4.5, Zip64 included; stored and deflated members.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onedepth.errors import DataError

LARGEST_MEMBER = 256 * 2**20
"""Bytes of the largest member that is read whole: a hundred times a 640×480 picture, and no trap for memory."""

_ENTRY = np.dtype(
    [("offset", "u8"), ("packed", "u8"), ("size", "u8"), ("crc", "u4"), ("method", "u2"), ("flags", "u2")]
)
_STORED, _DEFLATED, _ENCRYPTED = 0, 8, 1
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64_LOCATOR = struct.Struct("<4sIQI")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_SPARE = 256  # bytes read beyond a local header's name: room for its extra field, of which the index knows nothing


class ZipArchive:
    """Members of an archive by name.

    Raises:
        DataError: no such file, no ZIP archive, or one that is cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path}: no such file, expected a ZIP archive") from error
        self._stamp = (status.st_size, status.st_mtime_ns)
        directory, base = self._directory()
        self._keys, self._entries = self._index(directory, base)

    def __len__(self) -> int:
        """How many members there are."""
        return len(self._keys)

    def __contains__(self, name: str) -> bool:
        """Whether there is a member of that name."""
        return self._row(name) is not None

    def read(self, name: str) -> bytes:
        """A member's content, whose length and CRC-32 are verified.

        Raises:
            DataError: no such member, or one that is damaged, encrypted, packed in an unusual way or too large.
        """
        entry = self._entry(name)
        size, packed = int(entry["size"]), int(entry["packed"])
        if size > LARGEST_MEMBER:
            raise DataError(f"{self.label(name)}: {size} bytes, expected at most {LARGEST_MEMBER}")
        content = self._packed(name, entry, packed)
        if entry["method"] == _DEFLATED:
            content = self._inflate(name, content, size + 1)
        if len(content) != size or zlib.crc32(content) != entry["crc"]:
            raise DataError(f"{self.label(name)}: its checksum is not the archive's, the member is damaged")
        return content

    def head(self, name: str, count: int) -> bytes:
        """The first `count` bytes of a member, or all of a shorter one; nothing is verified but its header.

        Raises:
            DataError: no such member, or one that is empty, encrypted, packed in an unusual way or cut off.
        """
        entry = self._entry(name)
        size, packed = int(entry["size"]), int(entry["packed"])
        content = self._packed(name, entry, min(packed, count))
        if entry["method"] == _DEFLATED:
            return self._inflate(name, content, min(size, count))
        return content[:count]

    def place(self, name: str) -> tuple[int, int, bool]:
        """Where a member's bytes begin in the file, how many there are, and whether they are stored as they are.

        Raises:
            DataError: as `head`.
        """
        entry = self._entry(name)
        self._packed(name, entry, 1)
        header = _LOCAL.unpack(self.pread(_LOCAL.size, int(entry["offset"])))
        start = int(entry["offset"]) + _LOCAL.size + header[9] + header[10]
        return start, int(entry["packed"]), entry["method"] == _STORED

    def open(self, name: str) -> MemberReader:
        """A member to be read in parts, from anywhere in it, without holding it in memory.

        Raises:
            DataError: as `head`.
        """
        return MemberReader(self, name)

    def size(self, name: str) -> int:
        """A member's length in bytes, unpacked.

        Raises:
            DataError: as `head`.
        """
        return int(self._entry(name)["size"])

    def checksum(self, name: str) -> int:
        """A member's CRC-32, unpacked, as the archive's directory has it.

        Raises:
            DataError: as `head`.
        """
        return int(self._entry(name)["crc"])

    def label(self, name: str) -> str:
        """A member as messages name it."""
        return f"{self.path}: member {name!r}"

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the open file, which belongs to a process."""
        return self.__dict__ | {"_fd": -1}

    def __del__(self) -> None:
        # A forked child has a descriptor of its own for the same open file; closing it leaves the parent's alone.
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)

    # -- reading -----------------------------------------------------------------------------------------------

    def pread(self, count: int, offset: int) -> bytes:
        """At most `count` bytes of the file from `offset`."""
        if self._fd < 0:
            try:
                fd = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
            except OSError as error:
                raise DataError(f"{self.path}: cannot be opened: {error.strerror}") from error
            status = os.fstat(fd)
            if (status.st_size, status.st_mtime_ns) != self._stamp:
                os.close(fd)
                raise DataError(f"{self.path}: has changed since it was opened; start again")
            self._fd = fd
        try:
            if hasattr(os, "pread"):
                return os.pread(self._fd, count, offset)
            with self.path.open("rb") as file:  # Windows
                file.seek(offset)
                return file.read(count)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read at byte {offset}: {error.strerror}") from error

    def _packed(self, name: str, entry: np.void, count: int) -> bytes:
        """The first `count` bytes of a member as they lie in the archive; its local header is verified."""
        offset = int(entry["offset"])
        encoded = name.encode()
        beginning = _LOCAL.size + len(encoded)
        came = self.pread(beginning + _SPARE + count, offset)
        if len(came) < beginning:
            raise DataError(f"{self.label(name)}: lies beyond the end of the archive, which is cut off")
        header = _LOCAL.unpack_from(came)
        if header[0] != b"PK\3\4" or came[_LOCAL.size : _LOCAL.size + header[9]] != encoded:
            raise DataError(f"{self.label(name)}: is not where the archive's directory says, the archive is damaged")
        start = beginning + header[10]
        if header[10] > _SPARE:
            came, start = self.pread(count, offset + start), 0
        content = came[start : start + count]
        if len(content) < count:
            raise DataError(f"{self.label(name)}: reaches beyond the end of the archive, which is cut off")
        return content

    def _inflate(self, name: str, packed: bytes, size: int) -> bytes:
        """At most `size` bytes, which is above 0."""
        try:
            return zlib.decompressobj(-15).decompress(packed, size)
        except zlib.error as error:
            raise DataError(f"{self.label(name)}: cannot be unpacked, the member is damaged") from error

    # -- index -------------------------------------------------------------------------------------------------

    def _row(self, name: str) -> int | None:
        # As NumPy's own type: a Python number would turn all keys into floats first.
        key = np.uint64(_key(name.encode()))
        row = int(np.searchsorted(self._keys, key))
        return row if row < len(self._keys) and self._keys[row] == key else None

    def _entry(self, name: str) -> np.void:
        row = self._row(name)
        if row is None:
            raise DataError(f"{self.path}: no member {name!r}")
        entry = self._entries[row]
        if entry["flags"] & _ENCRYPTED:
            raise DataError(f"{self.label(name)}: is encrypted, expected a plain one; unpack it with its password")
        if entry["method"] not in (_STORED, _DEFLATED):
            raise DataError(
                f"{self.label(name)}: is packed by method {entry['method']}, expected stored or deflated; pack it anew"
            )
        if entry["size"] == 0 or entry["packed"] == 0:
            raise DataError(f"{self.label(name)}: is empty")
        return entry

    def _directory(self) -> tuple[bytes, int]:
        """The central directory, and by how much the offsets in it are off (bytes before the archive)."""
        size = self._stamp[0]
        if not self.pread(4, 0):
            raise DataError(f"{self.path}: is empty, expected a ZIP archive")
        tail_at = max(0, size - _END.size - 0xFFFF)
        tail = self.pread(size - tail_at, tail_at)
        at = tail.rfind(b"PK\5\6")
        if at < 0 or at + _END.size > len(tail):
            if self.pread(4, 0) == b"PK\3\4":
                raise DataError(
                    f"{self.path}: is a ZIP archive without its end, it is cut off at {size} bytes; fetch it again"
                )
            raise DataError(f"{self.path}: is no ZIP archive")
        length, offset = _END.unpack_from(tail, at)[5:7]
        end = tail_at + at
        if end >= _END_64_LOCATOR.size:
            locator = _END_64_LOCATOR.unpack(self.pread(_END_64_LOCATOR.size, end - _END_64_LOCATOR.size))
            if locator[0] == b"PK\6\7":
                # The record stands just before its locator unless it has grown, which nobody does.
                end -= _END_64_LOCATOR.size + _END_64.size
                record = self.pread(_END_64.size, end) if end >= 0 else b""
                if record[:4] != b"PK\6\6":
                    raise DataError(f"{self.path}: its Zip64 end is damaged; fetch it again")
                length, offset = _END_64.unpack(record)[8:10]
        base = end - length - offset
        if base < 0 or (length and self.pread(4, end - length) != b"PK\1\2"):
            raise DataError(f"{self.path}: its directory is not where its end says, it is damaged; fetch it again")
        return self.pread(length, end - length), base

    def _index(self, directory: bytes, base: int) -> tuple[NDArray[np.uint64], NDArray[np.void]]:
        """Sorted hashes of names, and the members' entries in that order."""
        keys: list[int] = []
        entries: list[tuple[int, int, int, int, int, int]] = []
        at = 0
        while at < len(directory):
            if directory[at : at + 4] != b"PK\1\2" or at + _CENTRAL.size > len(directory):
                raise DataError(f"{self.path}: entry {len(keys)} of its directory is damaged; fetch it again")
            fields = _CENTRAL.unpack_from(directory, at)
            flags, method, crc, packed, size = fields[3], fields[4], fields[7], fields[8], fields[9]
            names, extras, comments, offset = fields[10], fields[11], fields[12], fields[16]
            at += _CENTRAL.size
            name = directory[at : at + names]
            if 0xFFFFFFFF in (packed, size, offset):
                extra = directory[at + names : at + names + extras]
                size, packed, offset = _zip64(extra, size, packed, offset)
            at += names + extras + comments
            keys.append(_key(name))
            entries.append((offset + base, packed, size, crc, method, flags))
        order = np.argsort(np.array(keys, np.uint64), kind="stable")
        sorted_keys = np.array(keys, np.uint64)[order]
        # Of several members of one name the last counts, as everywhere.
        last = np.ones(len(order), np.bool_)
        last[:-1] = sorted_keys[1:] != sorted_keys[:-1]
        return sorted_keys[last], np.array(entries, _ENTRY)[order[last]]


class MemberReader:
    """Parts of a large member. Stored ones are read in place; deflated ones are unpacked up to the place asked for.

    So that going back does not begin at the member's start, the unpacker's state (some 50 KB) is kept every
    `_EVERY` bytes, and after each read, where reading in order goes on. The checksum is the whole's: it is verified
    when all has been read in order, or parts of it again in between.
    """

    _EVERY = 32 * 2**20
    _CHUNK = 2**16

    def __init__(self, archive: ZipArchive, name: str) -> None:
        self.archive, self.name = archive, name
        self.size = archive.size(name)
        self._start, self._packed, self._stored = archive.place(name)
        self._crc = archive.checksum(name)
        self._forget()

    def _forget(self) -> None:
        """What is known of the content, which no other process shares."""
        self._states: list[_State] = []
        self._last: _State | None = None
        self._summed, self._sum = 0, 0  # how many bytes from the beginning, and their CRC-32
        self._lock = threading.Lock()

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset`.

        Raises:
            DataError: the member is shorter, or damaged.
        """
        if offset + count > self.size:
            raise DataError(f"{self.archive.label(self.name)}: is {self.size} bytes long, expected {offset + count}")
        content = self.archive.pread(count, self._start + offset) if self._stored else self._unpack(offset, count)
        if len(content) != count:
            raise DataError(f"{self.archive.label(self.name)}: ends at byte {offset + len(content)}, it is damaged")
        with self._lock:
            if offset <= self._summed < offset + count:
                self._sum = zlib.crc32(memoryview(content)[self._summed - offset :], self._sum)
                self._summed = offset + count
            if offset + count == self.size == self._summed and self._sum != self._crc:
                raise DataError(
                    f"{self.archive.label(self.name)}: its checksum is not the archive's, it is damaged somewhere"
                )
        return content

    def __getstate__(self) -> dict[str, Any]:
        """Where the member is; everything else a process finds out itself."""
        names = ("archive", "name", "size", "_start", "_packed", "_stored", "_crc")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin anew in another process."""
        self.__dict__.update(state)
        self._forget()

    def _unpack(self, offset: int, count: int) -> bytes:
        known = [state for state in (*self._states, self._last) if state is not None and state.unpacked <= offset]
        state = max(known, key=lambda one: one.unpacked, default=_State(0, 0, zlib.decompressobj(-15)))
        # Never changed in place: another thread may start from the same state.
        unpacked, packed, unpacker = state.unpacked, state.packed, state.unpacker.copy()
        parts: list[bytes] = []
        while unpacked < offset + count:
            chunk = self.archive.pread(min(self._CHUNK, self._packed - packed), self._start + packed)
            wanted = offset + count - unpacked
            try:
                content = unpacker.decompress(chunk, wanted)
            except zlib.error as error:
                raise DataError(f"{self.archive.label(self.name)}: cannot be unpacked, it is damaged") from error
            packed += len(chunk) - len(unpacker.unconsumed_tail)
            if unpacked + len(content) > offset:
                parts.append(content[max(0, offset - unpacked) :])
            unpacked += len(content)
            if not content and (not chunk or unpacker.eof):
                break
            if unpacked // self._EVERY > max((one.unpacked // self._EVERY for one in self._states), default=0):
                self._states.append(_State(unpacked, packed, unpacker.copy()))
        self._last = _State(unpacked, packed, unpacker)
        return b"".join(parts)


class _State(NamedTuple):
    """Where an unpacker is."""

    unpacked: int
    packed: int
    unpacker: Any  # zlib's type has no name


def _key(name: bytes) -> int:
    """A hash that is the same in every process. That no two names share one is verified by the local header."""
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")


def _zip64(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Those of the three numbers that did not fit in 32 bits, from the extra field 0x0001."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1 and at + 4 + length <= len(extra):
            numbers = list(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            size, packed, offset = (
                numbers.pop(0) if value == 0xFFFFFFFF and numbers else value for value in (size, packed, offset)
            )
            break
        at += 4 + length
    return size, packed, offset
