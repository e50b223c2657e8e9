"""The strips and tiles of a compressed TIFF: damage in them that libtiff lets pass."""

from __future__ import annotations

import zlib

from verger.photos import jpeg, tiff
from verger.photos.damage import Damage

_LZW, _JPEG, _DEFLATE, _PACKBITS = 5, 7, (8, 32946), 32773  # compressions
_SECTORS = (bytes(512), b"\xff" * 512)  # as a disk that lost them gives them
_AT_ONCE = 2**20  # bytes
_MOST_PER_PIXEL = 32  # bytes
_NARROW = 16  # pixels: one byte or two, whose PackBits may be anything


def check(data: bytes) -> None:
    """Raise `Damage` for a TIFF whose compressed data no encoder can have written.

    Of Deflate the checksum must be right. LZW and PackBits have no sector of zeros or ones, nor has
    Deflate where the data do not come to their end.
    """
    found = tiff.directory(data)
    if found is None:
        return
    left = _AT_ONCE + _MOST_PER_PIXEL * found.width * found.height
    for start, length in dict.fromkeys(zip(found.offsets, found.lengths, strict=False)):
        part = data[start : start + length]
        if found.compression in _DEFLATE:
            size, is_whole = _inflated(part, left)
            left -= size
            if not is_whole and left > 0 and start + length <= len(data):
                _check_sectors(part, start, _SECTORS)
        elif found.compression == _JPEG:
            tables = found.jpeg_tables.removesuffix(b"\xff\xd9")
            whole = tables + part[2:] if tables else part
            layout = jpeg.layout(whole)
            jpeg.check(whole, layout, jpeg.end_of_data(whole, layout))
            _check_sectors(part, start, _SECTORS[1:])
        elif found.compression in (_LZW, _PACKBITS) and found.width > _NARROW:
            _check_sectors(part, start, _SECTORS)


def _check_sectors(part: bytes, start: int, sectors: tuple[bytes, ...]) -> None:
    for sector in sectors:
        if (at := part.find(sector)) >= 0:
            raise Damage(f"bytes of one kind in place of data, from byte {start + at} on")


def _inflated(part: bytes, most: int) -> tuple[int, bool]:
    """Unpack data, up to so many bytes; return how many those were, and whether it was all."""
    unpacking, size = zlib.decompressobj(), 0
    try:
        while part and not unpacking.eof and size < most:
            size += len(unpacking.decompress(part, _AT_ONCE))
            part = unpacking.unconsumed_tail
    except zlib.error:
        raise Damage("a checksum of its pixels is wrong, or they cannot be unpacked") from None
    return size, unpacking.eof
