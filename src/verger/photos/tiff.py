"""The first directory of a TIFF, small or big."""

from __future__ import annotations

import struct
from typing import NamedTuple

_WIDTH, _HEIGHT = 256, 257
_OFFSETS, _LENGTHS = (273, 324), (279, 325)  # of strips, of tiles
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types of whole numbers
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_TILE = (322, 323)  # its width and height
_COMPRESSION, _SAMPLES, _PLANES, _JPEG_TABLES = 259, 277, 284, 347
MOST_ENTRIES = 4096  # a camera's largest directories have some hundred


class _Entry(NamedTuple):
    tag: int
    kind: int
    number: int
    at: int  # where the values lie in the file


class Directory(NamedTuple):
    """What the first directory says of the first image."""

    width: int
    height: int
    offsets: tuple[int, ...]  # of strips or tiles
    lengths: tuple[int, ...]
    tile: tuple[int, int]  # its width and height; zeros where there are strips
    compression: int
    jpeg_tables: bytes  # of all strips or tiles that are JPEGs

    def lies_within(self, size: int) -> bool:
        """Say whether the pixels that it names are in a file of so many bytes."""
        parts = zip(self.offsets, self.lengths, strict=False)
        return all(start + length <= size for start, length in parts)


def directory(data: bytes) -> Directory | None:
    """Read the first directory; None where it does not lie in the file, or is none."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"\0+", b"+\0")
    try:
        entries = _named(_entries(data, order, big=big))
        width, height = (_numbers(data, order, entries, (tag,)) for tag in (_WIDTH, _HEIGHT))
        offsets = _numbers(data, order, entries, _OFFSETS)
        lengths = _numbers(data, order, entries, _LENGTHS)
        tile = [_numbers(data, order, entries, (tag,)) for tag in _TILE]
        compression = _numbers(data, order, entries, (_COMPRESSION,)) or (1,)
        _, _, size, at = entries.get(_JPEG_TABLES, _Entry(0, 0, 0, 0))
    except struct.error:
        return None
    if not width or not height:
        return None
    across, down = (side[0] if side else 0 for side in tile)
    tables = data[at : at + size]
    return Directory(width[0], height[0], offsets, lengths, (across, down), compression[0], tables)


def bytes_of_values(data: bytes) -> int:
    """Return how many bytes all values of the first directory take, once they are read.

    Many entries may name the same bytes, so this may be more than there are.
    """
    order = "<" if data[:2] == b"II" else ">"
    try:
        entries = _entries(data, order, big=data[2:4] in (b"\0+", b"+\0"), most=2**16)
    except struct.error:
        return 0
    sizes = (entry.number * _SIZES.get(entry.kind, 1) for entry in entries)
    return sum(min(size, len(data)) for size in sizes if size > 4)


def in_one_plane(data: bytes) -> bytes:
    """Say of a picture with one value a pixel that it is one plane, as it is in any case.

    Pillow takes the word "planes" for more of them.
    """
    order = "<" if data[:2] == b"II" else ">"
    try:
        entries = _named(_entries(data, order, big=data[2:4] in (b"\0+", b"+\0")))
        planes, samples = (_numbers(data, order, entries, (tag,)) for tag in (_PLANES, _SAMPLES))
    except struct.error:
        return data
    if planes != (2,) or samples not in ((), (1,)):
        return data
    _, kind, _, at = entries[_PLANES]
    one = struct.pack(order + _CODES[kind], 1)
    return data[:at] + one + data[at + len(one) :]


def first_bytes(data: bytes, path: tuple[int, ...]) -> bytes | None:
    """Follow directories in directories to a tag; return its first four bytes as stored."""
    order = "<" if data[:2] == b"II" else ">"
    at: int | None = None
    try:
        for tag in path[:-1]:
            entry = _named(_entries(data, order, big=False, at=at))[tag]
            (at,) = struct.unpack_from(order + "I", data, entry.at)
        entry = _named(_entries(data, order, big=False, at=at))[path[-1]]
    except (struct.error, KeyError):
        return None
    return data[entry.at : entry.at + 4]


def _named(entries: list[_Entry]) -> dict[int, _Entry]:
    """Put entries under their tags; of several of one tag, the first counts."""
    return {entry.tag: entry for entry in reversed(entries)}


def _entries(
    data: bytes, order: str, *, big: bool, at: int | None = None, most: int = MOST_ENTRIES
) -> list[_Entry]:
    offset, count = ("Q", "Q") if big else ("I", "H")
    if at is None:
        (at,) = struct.unpack_from(order + offset, data, 8 if big else 4)
    (number,) = struct.unpack_from(order + count, data, at)
    at += struct.calcsize(order + count)
    step, inline = (20, 8) if big else (12, 4)
    entry = struct.Struct(order + "HH" + offset)
    found = []
    for place in range(at, at + min(number, most) * step, step):
        tag, kind, length = entry.unpack_from(data, place)
        values = place + step - inline
        if length * _SIZES.get(kind, 1) > inline:
            (values,) = struct.unpack_from(order + offset, data, values)
        found.append(_Entry(tag, kind, length, values))
    return found


def _numbers(
    data: bytes, order: str, entries: dict[int, _Entry], tags: tuple[int, ...]
) -> tuple[int, ...]:
    """Read the whole numbers of the first entry that bears one of the tags."""
    for tag in tags:
        if tag in entries and entries[tag].kind in _CODES:
            _, kind, count, at = entries[tag]
            if count > len(data):
                raise struct.error("more numbers than the file has room for")
            return struct.unpack_from(f"{order}{count}{_CODES[kind]}", data, at)
    return ()
