"""The size of the pictures in streams of HEVC and AV1, as the streams themselves have it.

A container says how large its picture is, and a decoder allocates what the stream says.
"""

from __future__ import annotations

from collections.abc import Iterator

from verger.photos import heif

_MOST_UNITS = 1000  # looked at, in one stream
_HEVC_PARAMETERS, _AV1_SEQUENCE = 33, 1
_CHROMA_444 = 3


class _Bits:
    """Bits, the higher first; beyond the end all are 0."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left >= 0:
            return self._value >> self._left & (1 << count) - 1
        return 0

    def golomb(self) -> int:
        """Take an unsigned number in Exp-Golomb code."""
        zeros = 0
        while self._left > 0 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros) if zeros < 33 else 0


def size(data: bytes, found: heif.Container, item: int) -> tuple[int, int]:
    """Return width and height of an item's stream in pixels; (0, 0) where it has none of its own.

    Of several in one stream the largest; rows and columns that coding alone needs are left out.
    """
    kind = found.types.get(item)
    if kind == b"av01":
        sequences = _av1_sequences(data, found, item)
        sizes = [_av1_size(unit) for unit in sequences]
    elif kind in (b"hvc1", b"hev1"):
        sizes = [_hevc_size(unit) for unit in _hevc_parameters(data, found, item)]
    else:
        return 0, 0
    return max(sizes, key=lambda pair: pair[0] * pair[1], default=(0, 0))


def _extents(data: bytes, found: heif.Container, item: int) -> bytes:
    places = found.places.get(item, ())
    if len(places) == 1:
        return data[slice(*places[0])]
    return b"".join(data[start:end] for start, end in places[:_MOST_UNITS])


# AV1 specification, 5.3 to 5.5 --------------------------------------------------------------------


def _av1_sequences(data: bytes, found: heif.Container, item: int) -> Iterator[bytes]:
    box = found.property(item, b"av1C")
    streams = [data[box.start + 4 : box.end]] if box else []
    for stream in (*streams, _extents(data, found, item)):
        at = 0
        for _ in range(_MOST_UNITS):
            if at + 2 > len(stream):
                break
            head = stream[at]
            at += 2 if head & 4 else 1
            if not head & 2:  # the last: no size follows
                length = len(stream) - at
            else:
                length, at = _leb128(stream, at)
            if head >> 3 & 15 == _AV1_SEQUENCE:
                yield stream[at : at + min(length, 256)]
            at += length


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(8):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 127) << 7 * i
        if byte < 128:
            break
    return value, at


def _av1_size(unit: bytes) -> tuple[int, int]:
    bits = _Bits(unit)
    bits.take(4)  # profile, still picture
    if bits.take(1):  # reduced header
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _skip_operating_points(bits: _Bits) -> None:
    model = delay = 0
    if bits.take(1):  # timing
        bits.take(64)
        if bits.take(1):  # equal intervals
            bits.golomb()
        model = bits.take(1)
        if model:
            delay = bits.take(5) + 1
            bits.take(32 + 10)
    initial = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if model and bits.take(1):
            bits.take(2 * delay + 1)
        if initial and bits.take(1):
            bits.take(4)


# HEVC, ITU-T H.265, 7.3.2.2 -----------------------------------------------------------------------


def _hevc_parameters(data: bytes, found: heif.Container, item: int) -> Iterator[bytes]:
    box = found.property(item, b"hvcC")
    length_size = 4
    if box and box.start + 23 <= box.end:
        length_size = (data[box.start + 21] & 3) + 1
        at = box.start + 23
        for _ in range(data[box.start + 22]):
            kind, count = data[at] & 63, int.from_bytes(data[at + 1 : at + 3], "big")
            at += 3
            for _ in range(min(count, _MOST_UNITS)):
                length = int.from_bytes(data[at : at + 2], "big")
                if kind == _HEVC_PARAMETERS:
                    yield data[at + 2 : at + 2 + length]
                at += 2 + length
            if at >= box.end:
                break
    stream, at = _extents(data, found, item), 0
    for _ in range(_MOST_UNITS):
        if at + length_size >= len(stream):
            break
        length = int.from_bytes(stream[at : at + length_size], "big")
        at += length_size
        if stream[at] >> 1 & 63 == _HEVC_PARAMETERS:
            yield stream[at : at + min(length, 1024)]
        at += length


def _hevc_size(unit: bytes) -> tuple[int, int]:
    bits = _Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 88 + 8)  # profile, tier, level
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.golomb()
    chroma = bits.golomb()
    if chroma == _CHROMA_444:
        bits.take(1)
    width, height = bits.golomb(), bits.golomb()
    if bits.take(1):  # a window: what lies outside it need not be there, but for a block at most
        across, down = 2 if chroma in (1, 2) else 1, 2 if chroma == 1 else 1
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= min(across * (left + right), 63)
        height -= min(down * (top + bottom), 63)
    return max(width, 0), max(height, 0)
