"""The segments of a JPEG."""

from __future__ import annotations

import struct
from typing import NamedTuple

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# Of the markers C0 to CF, which begin a frame: not those of tables, nor JPG.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_LS_FRAME = 0xF7


class Segment(NamedTuple):
    """A segment: its marker's second byte, and where its content lies."""

    marker: int
    start: int
    end: int


def header(data: bytes) -> list[Segment]:
    """Return the segments up to and with the first scan's, or up to the first nonsense."""
    found: list[Segment] = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _STANDALONE:
            at += 2
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            if marker == _END_OF_IMAGE or length < 2:
                break
            found.append(Segment(marker, at + 4, min(at + 2 + length, len(data))))
            if marker == _START_OF_SCAN:
                break
            at += 2 + length
    return found


def unread_variant(data: bytes) -> str | None:
    """Say, in words, of which variant a JPEG is that is not read; None for those that are."""
    for marker, start, end in header(data):
        if marker == JPEG_LS_FRAME:
            return "JPEG-LS"
        if marker in FRAMES and end - start >= 6:
            if data[start] != 8:
                return f"JPEG with {data[start]} bits a value"
            if data[start + 5] not in (1, 3, 4):
                return f"JPEG with {data[start + 5]} colours"
            return None if marker in (0xC0, 0xC1, 0xC2) else f"JPEG of the kind SOF{marker - 0xC0}"
    return None
