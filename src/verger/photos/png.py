"""The chunks of a PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_SIGNATURE = 8
_MOST_BEFORE_PIXELS = 1_000


class Chunk(NamedTuple):
    """A chunk: its name, and where its content lies; its checksum follows."""

    name: bytes
    start: int
    end: int


def chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks that are all there, in order."""
    at = _SIGNATURE
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            return
        yield Chunk(name, at + 8, at + 8 + length)
        at += 12 + length


def chunks_before_pixels(data: bytes) -> dict[bytes, bytes]:
    """Return the chunks before the pixels, by name; of several of one name the first."""
    found: dict[bytes, bytes] = {}
    for chunk, _ in zip(chunks(data), range(_MOST_BEFORE_PIXELS), strict=False):
        if chunk.name == b"IDAT":
            break
        if chunk.end - chunk.start <= 64:
            found.setdefault(chunk.name, data[chunk.start : chunk.end])
    return found


def pixels_are_as_written(data: bytes) -> bool:
    """Say whether the checksum of each chunk of pixels is right."""
    for name, start, end in chunks(data):
        if name == b"IDAT":
            (written,) = struct.unpack_from(">I", data, end)
            if zlib.crc32(data[start:end], zlib.crc32(name)) != written:
                return False
    return True
