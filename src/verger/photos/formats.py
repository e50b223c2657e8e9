"""Telling image formats by content, and whether a file is all there.

Only used once a decoder has given up, to name the reason: a decoder that copes decides alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")


def kind_of(data: bytes) -> str | None:
    """Return the format that the first bytes announce (such as 'JPEG'), or None."""
    if data[:2] == b"\xff\xd8":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n"[: len(data)] and len(data) >= 4:
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] in (b"WEBP", b""):
        return "WEBP"
    if data[:4] == b"GIF8":
        return "GIF"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if data[4:8] == b"ftyp" and (data[8:12] in _HEIF_BRANDS or len(data) < 12):
        return "HEIF"
    if data[:2] == b"BM" and len(data) >= 6:
        return "BMP"
    return None


def is_complete(data: bytes, kind: str) -> bool:
    """Say whether a file of this kind ends where its own format says that it ends.

    A kind whose end cannot be told (TIFF) counts as complete.
    """
    check = _CHECKS.get(kind)
    return check is None or check(data)


def _jpeg(data: bytes) -> bool:
    return b"\xff\xd9" in data[-4096:]


def _png(data: bytes) -> bool:
    return b"IEND" in data[-4096:]


def _gif(data: bytes) -> bool:
    return data.rstrip(b"\0")[-1:] == b";"


def _webp(data: bytes) -> bool:
    return len(data) >= 12 and len(data) >= 8 + int(struct.unpack_from("<I", data, 4)[0])


def _bmp(data: bytes) -> bool:
    return len(data) >= int(struct.unpack_from("<I", data, 2)[0])


def _heif(data: bytes) -> bool:
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            return False
        size = int(struct.unpack_from(">I", data, at)[0])
        if size == 0:  # the box reaches to the end of the file
            return True
        if size == 1:  # a 64-bit size follows the name
            if at + 16 > len(data):
                return False
            size = int(struct.unpack_from(">Q", data, at + 8)[0])
        if size < 8:
            return True  # nonsense rather than an early end
        at += size
    return at == len(data)


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "WEBP": _webp,
    "BMP": _bmp,
    "HEIF": _heif,
}
