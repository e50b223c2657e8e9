"""The container of HEIC and AVIF: its boxes, the items in it, and what they say of themselves.

Everything here is read from the structure alone; nothing is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_MOST_BOXES = 10_000
_DEEPEST = 8  # images within images
_FULL = 4  # bytes of version and flags, with which some boxes begin


class Box(NamedTuple):
    """A box: its name, and where its content lies."""

    name: bytes
    start: int
    end: int


class CodePoints(NamedTuple):
    """H.273's numbers for primaries and curve; 2 is unspecified."""

    primaries: int
    transfer: int


UNSPECIFIED = CodePoints(2, 2)


@dataclass(slots=True)
class Container:
    """What the box `meta` says."""

    primary: int = 0
    types: dict[int, bytes] = field(default_factory=dict)  # item → its type, such as hvc1
    places: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # item → from, to
    properties: list[Box] = field(default_factory=list)
    of_item: dict[int, list[int]] = field(default_factory=dict)  # item → indices of properties
    inputs: dict[int, list[int]] = field(default_factory=dict)  # derived image → what it is made of
    auxiliaries: dict[int, list[int]] = field(default_factory=dict)  # image → its alpha, depth, …

    def property(self, item: int, name: bytes) -> Box | None:
        """Return the first property of that name that an item has."""
        for at in self.of_item.get(item, ()):
            if 0 < at <= len(self.properties) and self.properties[at - 1].name == name:
                return self.properties[at - 1]
        return None

    def codec(self) -> bytes:
        """Return the type of the coded image that the first image is, or begins with."""
        *_, coded = self.beginnings()
        return self.types.get(coded, b"")

    def beginnings(self) -> Iterator[int]:
        """Yield the first image, what it begins with, and so on to an image that is coded."""
        item = self.primary
        yield item
        for _ in range(_DEEPEST):
            if not (parts := self.inputs.get(item)):
                return
            item = parts[0]
            yield item


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes that lie side by side between two places, up to the first nonsense."""
    end = len(data) if end is None else end
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        stop = end if size == 0 else start + size
        if stop < start + head or stop > end:
            return
        yield Box(name, start + head, stop)
        start = stop


def container(data: bytes) -> Container | None:
    """Read the box `meta`; None where there is none, or where it cannot be read."""
    meta = next((box for box in boxes(data) if box.name == b"meta"), None)
    if meta is None:
        return None
    found = Container()
    inner = {box.name: box for box in boxes(data, meta.start + _FULL, meta.end)}
    try:
        if b"pitm" in inner:
            box = inner[b"pitm"]
            found.primary = _Numbers(data, box.start + _FULL).take(_width(data, box))
        for name, read in ((b"iinf", _items), (b"iref", _references), (b"iprp", _properties)):
            if name in inner:
                read(data, inner[name], found)
        if b"iloc" in inner:
            _places(data, inner[b"iloc"], inner.get(b"idat"), found)
    except (struct.error, IndexError):
        return None
    return found


def code_points(data: bytes, found: Container) -> CodePoints | None:
    """Return what the first image's box `colr` says of its colours, or None."""
    for item in found.beginnings():
        box = found.property(item, b"colr")
        if box is not None and data[box.start : box.start + 4] == b"nclx":
            if box.start + 8 > box.end:
                return None
            return CodePoints(*struct.unpack_from(">HH", data, box.start + 4))
    return None


class _Numbers:
    """Whole numbers, the higher bytes first, one after the other; IndexError beyond the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self.at = data, at

    def take(self, width: int) -> int:
        start, self.at = self.at, self.at + width
        if self.at > len(self._data):
            raise IndexError
        return int.from_bytes(self._data[start : self.at], "big")


def _width(data: bytes, box: Box) -> int:
    """Of an item's number: two bytes in version 0 of a box, four in later ones."""
    return 2 if data[box.start] == 0 else 4


def _items(data: bytes, box: Box, found: Container) -> None:
    width = _width(data, box)
    for entry in boxes(data, box.start + _FULL + width, box.end):
        version = data[entry.start]
        if entry.name == b"infe" and version >= 2:
            numbers = _Numbers(data, entry.start + _FULL)
            number = numbers.take(2 if version == 2 else 4)
            found.types[number] = data[numbers.at + 2 : numbers.at + 6]


def _references(data: bytes, box: Box, found: Container) -> None:
    width = _width(data, box)
    for entry in boxes(data, box.start + _FULL, box.end):
        numbers = _Numbers(data, entry.start)
        source, count = numbers.take(width), numbers.take(2)
        if numbers.at + count * width > entry.end:
            raise IndexError
        targets = [numbers.take(width) for _ in range(count)]
        if entry.name == b"dimg":
            found.inputs.setdefault(source, []).extend(targets)
        elif entry.name == b"auxl":
            for target in targets:
                found.auxiliaries.setdefault(target, []).append(source)


def _properties(data: bytes, box: Box, found: Container) -> None:
    for part in boxes(data, box.start, box.end):
        if part.name == b"ipco":
            found.properties = list(boxes(data, part.start, part.end))
        elif part.name == b"ipma":
            _associations(data, part, found)


def _associations(data: bytes, box: Box, found: Container) -> None:
    width = _width(data, box)
    step, mask = (2, 0x7FFF) if data[box.start + 3] & 1 else (1, 0x7F)
    numbers = _Numbers(data, box.start + _FULL)
    for _ in range(min(numbers.take(4), box.end - box.start)):
        item, number = numbers.take(width), numbers.take(1)
        indices = (numbers.take(step) & mask for _ in range(number))
        found.of_item.setdefault(item, []).extend(indices)


def _places(data: bytes, box: Box, idat: Box | None, found: Container) -> None:
    version = data[box.start]
    numbers = _Numbers(data, box.start + _FULL)
    sizes = numbers.take(2)
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
    width = 4 if version == 2 else 2
    for _ in range(min(numbers.take(width), box.end - box.start)):
        item = numbers.take(width)
        method = numbers.take(2) & 15 if version else 0
        numbers.take(2)  # of another file, where the data lie in one
        base, extents = numbers.take(base_size), numbers.take(2)
        if numbers.at + extents * (index_size + offset_size + length_size) > box.end:
            raise IndexError
        start = idat.start if method == 1 and idat else 0
        for _ in range(extents):
            numbers.take(index_size)
            offset = start + base + numbers.take(offset_size)
            length = numbers.take(length_size) or len(data)
            found.places.setdefault(item, []).append((offset, min(offset + length, len(data))))
