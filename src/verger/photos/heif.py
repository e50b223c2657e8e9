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
            found.primary = _number(
                data, inner[b"pitm"].start + _FULL, _width(data, inner[b"pitm"])
            )
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


def _number(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + width], "big")


def _width(data: bytes, box: Box) -> int:
    """Of an item's number: two bytes in version 0 of a box, four in later ones."""
    return 2 if data[box.start] == 0 else 4


def _items(data: bytes, box: Box, found: Container) -> None:
    width = _width(data, box)
    for entry in boxes(data, box.start + _FULL + width, box.end):
        version = data[entry.start]
        if entry.name == b"infe" and version >= 2:
            number_width = 2 if version == 2 else 4
            at = entry.start + _FULL
            number = _number(data, at, number_width)
            found.types[number] = data[at + number_width + 2 : at + number_width + 6]


def _references(data: bytes, box: Box, found: Container) -> None:
    width = _width(data, box)
    for entry in boxes(data, box.start + _FULL, box.end):
        source = _number(data, entry.start, width)
        count = _number(data, entry.start + width, 2)
        at = entry.start + width + 2
        if at + count * width > entry.end:
            raise IndexError
        targets = [_number(data, at + i * width, width) for i in range(count)]
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
    width, wide = _width(data, box), data[box.start + 3] & 1
    at = box.start + _FULL
    count = _number(data, at, 4)
    at += 4
    for _ in range(min(count, box.end - box.start)):
        item, number = _number(data, at, width), _number(data, at + width, 1)
        at += width + 1
        step = 2 if wide else 1
        mask = 0x7FFF if wide else 0x7F
        found.of_item.setdefault(item, []).extend(
            _number(data, at + i * step, step) & mask for i in range(number)
        )
        at += number * step


def _places(data: bytes, box: Box, idat: Box | None, found: Container) -> None:
    version = data[box.start]
    sizes = _number(data, box.start + _FULL, 2)
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
    width = 4 if version == 2 else 2
    at = box.start + _FULL + 2
    count = _number(data, at, width)
    at += width
    for _ in range(min(count, box.end - box.start)):
        item = _number(data, at, width)
        at += width
        method = 0
        if version:
            method = _number(data, at, 2) & 15
            at += 2
        base = _number(data, at + 2, base_size)
        at += 2 + base_size
        extents = _number(data, at, 2)
        at += 2
        if at + extents * (index_size + offset_size + length_size) > box.end:
            raise IndexError
        start = idat.start if method == 1 and idat else 0
        for _ in range(extents):
            at += index_size
            offset = start + base + _number(data, at, offset_size)
            at += offset_size
            length = _number(data, at, length_size) or len(data)
            at += length_size
            found.places.setdefault(item, []).append((offset, min(offset + length, len(data))))
