"""The segments and scans of a JPEG: what it will take to decode, and whether all of it is there."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from verger.photos.damage import Cut, Damage

MOST_SEGMENTS = 4096  # before the first scan; a profile and metadata of a few MB take some hundred
MOST_JUNK = 2**20  # bytes between segments, which Pillow skips one by one
_LOOK_AHEAD = 16  # bytes; libjpeg's is 8
_PADDING = b"\x5a" * _LOOK_AHEAD
_ZEROS = bytes(512)  # a sector of a disk that lost it
_LAST = 512

_SOF_BASELINE, _SOF_EXTENDED, _SOF_PROGRESSIVE, _JPEG_LS = 0xC0, 0xC1, 0xC2, 0xF7
_READ = (_SOF_BASELINE, _SOF_EXTENDED, _SOF_PROGRESSIVE)
# Of the markers C0 to CF, which begin a frame: not those of tables, nor JPG.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_TABLES, _END, _SCAN, _RESTARTS_EVERY = 0xC4, 0xD9, 0xDA, 0xDD
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_AMONG_DATA = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")


class Segment(NamedTuple):
    """A segment: its marker's second byte, and where its content lies."""

    marker: int
    start: int
    end: int


class Scan(NamedTuple):
    """A scan: the colours and coefficients that it brings, and where its data begin."""

    components: tuple[int, ...]
    tables: tuple[int, ...]  # for AC, one a component
    first: int  # coefficient
    last: int
    shift: int  # bits that later scans bring
    start: int


@dataclass(slots=True)
class Layout:
    """The segments up to the first scan, and what they say."""

    segments: list[Segment] = field(default_factory=list)
    junk: int = 0
    frame: int | None = None  # the frame's marker
    bits: int = 0
    width: int = 0
    height: int = 0
    components: tuple[int, ...] = ()
    sampling: tuple[tuple[int, int], ...] = ()  # across, down; of each component
    restarts_every: int = 0  # MCUs
    scan: Scan | None = None  # the first

    @property
    def in_one_scan(self) -> bool:
        """Whether the first scan brings the whole picture."""
        return (
            self.scan is not None
            and self.frame in (_SOF_BASELINE, _SOF_EXTENDED)
            and len(self.scan.components) == len(self.components)
        )

    @property
    def units(self) -> int:
        """The MCUs of a picture in one scan."""
        across, down = (8 * max(s[i] for s in self.sampling) for i in (0, 1))
        if len(self.components) == 1:
            across = down = 8
        return -(-self.width // across) * -(-self.height // down)


def layout(data: bytes) -> Layout:
    """Read the segments up to the first scan, as far as there are any."""
    found = Layout()
    at, size, segments = 2, len(data), found.segments
    while at + 4 <= size and len(segments) <= MOST_SEGMENTS and found.junk <= MOST_JUNK:
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0, 0xFF):  # not where one should begin
            following = _MARKER.search(data, at)
            found.junk += (following.start() if following else size) - at
            at = following.start() if following else size
            continue
        at += 2
        if marker in _STANDALONE:
            continue
        length = data[at] << 8 | data[at + 1]
        if marker == _END or length < 2:
            break
        segment = Segment(marker, at + 2, min(at + length, size))
        segments.append(segment)
        at += length
        if marker in _TELLING:
            _TELLING[marker](data, segment, found)
            if marker == _SCAN:
                break
    return found


def _segments_among_data(data: bytes, at: int) -> Iterator[Segment]:
    """Yield the segments from a scan's data on."""
    while found := _MARKER_AMONG_DATA.search(data, at):
        at, marker = found.end(), data[found.end() - 1]
        if marker == _END or at + 2 > len(data):
            return
        if marker in _STANDALONE:
            continue
        length = data[at] << 8 | data[at + 1]
        if length < 2:
            return
        yield Segment(marker, at + 2, min(at + length, len(data)))
        at += length


def _frame(data: bytes, segment: Segment, found: Layout) -> None:
    if found.frame is not None or segment.end - segment.start < 6:
        return
    bits, height, width, count = struct.unpack_from(">BHHB", data, segment.start)
    found.frame, found.bits, found.width, found.height = segment.marker, bits, width, height
    parts = data[segment.start + 6 : min(segment.start + 6 + 3 * count, segment.end)]
    found.components = tuple(parts[::3])
    found.sampling = tuple((byte >> 4 or 1, byte & 15 or 1) for byte in parts[1::3])


def _other_frame(_: bytes, segment: Segment, found: Layout) -> None:
    found.frame = segment.marker


def _restarts(data: bytes, segment: Segment, found: Layout) -> None:
    found.restarts_every = int.from_bytes(data[segment.start : segment.start + 2], "big")


def _first_scan(data: bytes, segment: Segment, found: Layout) -> None:
    found.scan = _scan(data, segment)


_TELLING: dict[int, Callable[[bytes, Segment, Layout], None]] = {
    **dict.fromkeys(_FRAMES, _frame), _JPEG_LS: _other_frame, _RESTARTS_EVERY: _restarts,
    _SCAN: _first_scan,
}  # fmt: skip


def _scan(data: bytes, segment: Segment) -> Scan | None:
    content = data[segment.start : segment.end]
    count = content[0] if content else 0
    if len(content) < 4 + 2 * count:
        return None
    first, last, bits = content[1 + 2 * count : 4 + 2 * count]
    components, tables = content[1 : 1 + 2 * count : 2], content[2 : 2 + 2 * count : 2]
    ac = tuple(byte & 15 for byte in tables)
    return Scan(tuple(components), ac, first, last, bits & 15, segment.end)


def scans(data: bytes, found: Layout, most: int) -> list[Scan]:
    """Return the scans, from the first on, up to so many."""
    listed = [found.scan] if found.scan else []
    if listed:
        for segment in _segments_among_data(data, listed[0].start):
            if segment.marker == _SCAN and (scan := _scan(data, segment)):
                listed.append(scan)
                if len(listed) >= most:
                    break
    return listed


def unread_variant(data: bytes) -> str | None:
    """Say, in words, of which variant a JPEG is that is not read; None for those that are."""
    found = layout(data)
    if found.frame is None:
        return None
    if found.frame == _JPEG_LS:
        return "JPEG-LS"
    if not found.height:
        return "JPEG that tells its height after its first scan (DNL)"
    if found.bits != 8:
        return f"JPEG with {found.bits} bits a value"
    if len(found.components) not in (1, 3, 4):
        return f"JPEG with {len(found.components)} colours"
    return None if found.frame in _READ else f"JPEG of the kind SOF{found.frame - _SOF_BASELINE}"


# Whether all of it is there -----------------------------------------------------------------------


def end_of_data(data: bytes, found: Layout) -> int | None:
    """Return where the data of a picture in one scan end; None where that cannot be told."""
    if not found.in_one_scan or found.scan is None:
        return None
    at = data.find(b"\xff\xd9", found.scan.start)
    while at > 0 and data[at - 1] == 0xFF:  # padding, which may stand before any marker
        at -= 1
    return None if at < 0 else at


def check(data: bytes, found: Layout, end: int | None) -> int | None:
    """Raise `Damage` where the structure shows that data are missing or wiped out.

    Returns `end`, or an earlier one, before zeros in which no data can be.
    """
    if found.scan is None:
        return end
    if end is not None and found.restarts_every:
        expected = -(-found.units // found.restarts_every) - 1
        seen = sum(1 for _ in _RESTART.finditer(data, found.scan.start, end))
        if seen < expected:
            raise Cut(f"{seen} of {expected} restart markers")
    if end is None and found.frame in _READ:
        _check_scans(data, found)
    wiped = data.find(_ZEROS, found.scan.start, len(data) if end is None else end)
    if wiped >= 0 and not _zeros_mean_something(data, found, wiped):
        if end is not None and not data[wiped:end].strip(b"\0"):
            return wiped + _LOOK_AHEAD
        raise Damage(f"zeros in place of data, from byte {wiped} on")
    return end


def _check_scans(data: bytes, found: Layout) -> None:
    """Check that the scans bring every coefficient of every colour to its last bit."""
    missing = {component: [True] * 64 for component in found.components}
    last_end = data.rfind(b"\xff\xd9")
    if last_end < 0:
        return  # the decoder says itself that the end is missing
    progressive = found.frame == _SOF_PROGRESSIVE
    for scan in scans(data, found, 1 + MOST_SEGMENTS):
        if scan.shift and progressive:
            continue
        first, last = (scan.first, scan.last) if progressive else (0, 63)
        for component in scan.components:
            if component in missing:
                missing[component][first : last + 1] = [False] * (min(last, 63) + 1 - first)
    if any(map(any, missing.values())):
        raise Cut("scans are missing")


def _zeros_mean_something(data: bytes, found: Layout, at: int) -> bool:
    """Say whether an encoder may have written a sector of zeros.

    Where the shortest code is that of an empty block, a plain area is nothing but zeros.
    """
    scan = found.scan
    if not found.in_one_scan:
        listed = scans(data, found, 1 + MOST_SEGMENTS)
        scan = next((s for s in reversed(listed) if s.start <= at), None)
        if found.frame == _SOF_PROGRESSIVE:  # runs of empty blocks are counted, not written
            return scan is None or scan.first == 0
    if scan is None:
        return True
    shortest = _shortest_codes(data, found)
    return all(shortest.get(table, 0) == 0 for table in scan.tables)


def _shortest_codes(data: bytes, found: Layout) -> dict[int, int]:
    """Return what the code of nothing but zeros stands for, in each table for AC."""
    meaning: dict[int, int] = {}
    for marker, start, end in found.segments:
        at = start
        while marker == _HUFFMAN_TABLES and at + 17 < end:
            kind, count = data[at], sum(data[at + 1 : at + 17])
            if kind >> 4 == 1:
                meaning[kind & 15] = data[at + 17]
            at += 17 + count
    return meaning


def padded(data: bytes, end: int) -> bytes:
    """Put padding in the place of the end marker.

    libjpeg fills what is missing before an end marker with gray, and keeps its warning to itself;
    where padding follows, it asks for more data if, and only if, some are missing.
    """
    return data[:end] + _PADDING


def before_last(data: bytes, found: Layout, end: int) -> int | None:
    """Return a place near the end of the data that a decoder must read beyond; None for short ones.

    A decoder that needs less has lost its way in data that are damaged.
    """
    if found.scan is None:
        return None
    tail = data[max(found.scan.start, end - 4 * _LAST) : end]
    place = end - len(tail) + len(tail.rstrip(b"\0\xff")) - _LAST
    return place if place > found.scan.start + _LAST else None
