"""The first directory of a TIFF, small or big."""

from __future__ import annotations

import struct
from typing import NamedTuple

_WIDTH, _HEIGHT = 256, 257
_OFFSETS, _LENGTHS = (273, 324), (279, 325)  # of strips, of tiles
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types of whole numbers
MOST_ENTRIES = 4096  # a camera's largest directories have some hundred


class _Entry(NamedTuple):
    kind: int
    number: int
    at: int  # where the values lie in the file


class Directory(NamedTuple):
    """What the first directory says of the first image."""

    width: int
    height: int
    offsets: tuple[int, ...]  # of strips or tiles
    lengths: tuple[int, ...]

    def lies_within(self, size: int) -> bool:
        """Say whether the pixels that it names are in a file of so many bytes."""
        parts = zip(self.offsets, self.lengths, strict=False)
        return all(start + length <= size for start, length in parts)


def directory(data: bytes) -> Directory | None:
    """Read the first directory; None where it does not lie in the file, or is none."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"\0+", b"+\0")
    try:
        entries = _entries(data, order, big)
        width, height = (_numbers(data, order, entries, (tag,)) for tag in (_WIDTH, _HEIGHT))
        offsets = _numbers(data, order, entries, _OFFSETS)
        lengths = _numbers(data, order, entries, _LENGTHS)
    except struct.error:
        return None
    if not width or not height:
        return None
    return Directory(width[0], height[0], offsets, lengths)


def _entries(data: bytes, order: str, big: bool) -> dict[int, _Entry]:
    offset, count = ("Q", "Q") if big else ("I", "H")
    (at,) = struct.unpack_from(order + offset, data, 8 if big else 4)
    (number,) = struct.unpack_from(order + count, data, at)
    at += struct.calcsize(order + count)
    step = 20 if big else 12
    found: dict[int, _Entry] = {}
    for i in range(min(number, MOST_ENTRIES)):
        place = at + i * step
        tag, kind, length = struct.unpack_from(order + "HH" + offset, data, place)
        values = place + (12 if big else 8)
        if length * struct.calcsize(_CODES.get(kind, "B")) > (8 if big else 4):
            (values,) = struct.unpack_from(order + offset, data, values)
        found.setdefault(tag, _Entry(kind, length, values))
    return found


def _numbers(
    data: bytes, order: str, entries: dict[int, _Entry], tags: tuple[int, ...]
) -> tuple[int, ...]:
    """Read the whole numbers of the first entry that bears one of the tags."""
    for tag in tags:
        if tag in entries and entries[tag].kind in _CODES:
            kind, count, at = entries[tag]
            if count > len(data):
                raise struct.error("more numbers than the file has room for")
            return struct.unpack_from(f"{order}{count}{_CODES[kind]}", data, at)
    return ()
