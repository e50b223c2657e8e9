"""The segments and scans of a JPEG: what it will take to decode, and whether all of it is there."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from verger.photos import huffman
from verger.photos.damage import Cut, Damage

MOST_SEGMENTS = 4096  # before the first scan; a profile and metadata of a few MB take some hundred
MOST_JUNK = 2**20  # bytes between segments, which Pillow skips one by one
_LOOK_AHEAD = 16  # bytes; libjpeg's is 8
_PADDING = b"\x5a" * _LOOK_AHEAD
_ZEROS = bytes(512)  # a sector of a disk that lost it
_LAST = 512
_ALL_BITS = 16
_MOST_FOLLOWED = 4  # scans: programs write one for each colour where zeros may mean something
_MOST_IN_PARTS = 2**19  # bytes of a scan with restart markers

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
    """A scan: the components and coefficients that it codes, and where its data begin."""

    components: tuple[int, ...]
    dc: tuple[int, ...]  # tables, one a component
    ac: tuple[int, ...]
    first: int  # coefficient
    last: int
    shifted: int  # of a refinement scan: the low bits still missing before it ("Ah")
    shift: int  # the low bits left to later scans ("Al")
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
        if marker in _FRAMES:
            _frame(data, segment, found)
        elif marker == _JPEG_LS:
            found.frame = marker
        elif marker == _RESTARTS_EVERY:
            found.restarts_every = int.from_bytes(data[segment.start : segment.start + 2], "big")
        elif marker == _SCAN:
            found.scan = _scan(data, segment)
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


def _scan(data: bytes, segment: Segment) -> Scan | None:
    content = data[segment.start : segment.end]
    count = content[0] if content else 0
    if len(content) < 4 + 2 * count:
        return None
    first, last, bits = content[1 + 2 * count : 4 + 2 * count]
    components, tables = content[1 : 1 + 2 * count : 2], content[2 : 2 + 2 * count : 2]
    dc, ac = (tuple(byte >> shift & 15 for byte in tables) for shift in (4, 0))
    return Scan(tuple(components), dc, ac, first, last, bits >> 4, bits & 15, segment.end)


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
    wiped = _wiped(data, found, len(data) if end is None else end)
    if wiped is not None:
        if end is not None and not data[wiped:end].strip(b"\0"):
            return wiped + _LOOK_AHEAD
        raise Damage(f"zeros in place of data, from byte {wiped} on")
    if found.in_one_scan and end is None and data.endswith(_ZEROS):
        raise Cut("zeros in place of its end")
    return end


def _wiped(data: bytes, found: Layout, stop: int) -> int | None:
    """Return where a sector of zeros begins that no encoder can have written into a scan."""
    if found.scan is None or data.find(_ZEROS, found.scan.start, stop) < 0:
        return None
    suspects = 0
    for scan in [found.scan] if found.in_one_scan else scans(data, found, 1 + MOST_SEGMENTS):
        following = None if found.in_one_scan else _MARKER_AMONG_DATA.search(data, scan.start)
        last = following.start() if following else stop
        wiped = data.find(_ZEROS, scan.start, last)
        if wiped < 0:
            continue
        suspects += 1
        follow = suspects <= _MOST_FOLLOWED
        if not _zeros_mean_something(data, found, scan, last, follow=follow):
            return wiped
    return None


def _check_scans(data: bytes, found: Layout) -> None:
    """Check that the scans bring every coefficient of every colour to its last bit."""
    if data.rfind(b"\xff\xd9") < 0:
        return  # the decoder says itself that the end is missing
    progressive = found.frame == _SOF_PROGRESSIVE
    # Of each coefficient the bits that later scans must bring; before its first scan, all.
    missing = {component: [_ALL_BITS] * 64 for component in found.components}
    for scan in scans(data, found, 1 + MOST_SEGMENTS):
        first, last = (scan.first, min(scan.last, 63)) if progressive else (0, 63)
        before, after = (scan.shifted, scan.shift) if progressive else (0, 0)
        for bits in (missing[one] for one in scan.components if one in missing):
            if before and max(bits[first : last + 1], default=0) > before:
                raise Cut("scans are missing")
            bits[first : last + 1] = [min(left, after) for left in bits[first : last + 1]]
    if any(map(any, missing.values())):
        raise Cut("scans are missing")


def _zeros_mean_something(
    data: bytes, found: Layout, scan: Scan, end: int, *, follow: bool
) -> bool:
    """Say whether an encoder may have written the sector of zeros that is in a scan's data.

    Where the shortest code is that of an empty block, a plain area is nothing but zeros; and where
    a scan brings a bit for each block, they may be zeros.
    """
    tables = _tables(data, found, scan.start)
    if found.frame == _SOF_PROGRESSIVE:
        if scan.first or scan.shifted:  # runs of empty blocks are counted, not written
            return scan.first == 0
    elif any((table := tables.get(0x10 | ac)) and table.symbols[:1] != b"\0" for ac in scan.ac):
        return False
    return not follow or _fits(data[scan.start : end], found, scan, tables)


def _fits(data: bytes, found: Layout, scan: Scan, tables: dict[int, huffman.Table]) -> bool:
    """Say whether a scan's data hold the blocks that it says, as far as that can be told."""
    sampling = dict(zip(found.components, found.sampling, strict=False))
    across, down = (max(sides) for sides in zip(*found.sampling, strict=True))
    unit: list[huffman.Block] = []
    for component, dc, ac in zip(scan.components, scan.dc, scan.ac, strict=True):
        of_ac = None if found.frame == _SOF_PROGRESSIVE else tables.get(0x10 | ac)
        if component not in sampling or dc not in tables or (scan.last and of_ac is None):
            return True
        wide, high = sampling[component]
        unit += [huffman.Block(tables[dc], of_ac)] * (wide * high)
    if len(scan.components) == 1:  # by blocks, without those that fill up a unit
        unit = unit[:1]
        wide, high = sampling[scan.components[0]]
        width, height = -(-found.width * wide // across), -(-found.height * high // down)
        units = -(-width // 8) * -(-height // 8)
    else:
        units = -(-found.width // (8 * across)) * -(-found.height // (8 * down))
    if not found.restarts_every:
        return huffman.fits(data, unit, units)
    parts, each = _RESTART.split(data), found.restarts_every
    if len(data) > _MOST_IN_PARTS or len(parts) != -(-units // each):
        return len(data) > _MOST_IN_PARTS
    return all(
        huffman.fits(part, unit, min(each, units - i * each)) for i, part in enumerate(parts)
    )


def _tables(data: bytes, found: Layout, until: int) -> dict[int, huffman.Table]:
    """Return the Huffman tables as they are at a scan, by their class and number."""
    tables: dict[int, huffman.Table] = {}
    among = _segments_among_data(data, found.scan.start) if found.scan else ()
    for marker, start, end in (*found.segments, *among):
        at = start
        while marker == _HUFFMAN_TABLES and start < until and at + 17 <= end:
            counts = data[at + 1 : at + 17]
            at += 17 + sum(counts)
            tables[data[at - 17 - sum(counts)]] = huffman.Table(counts, data[at - sum(counts) : at])
    return tables


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
