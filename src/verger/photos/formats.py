"""Telling image formats by content, and whether a file is all there.

Mostly used once a decoder has given up, to name the reason: a decoder that copes decides alone.
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
    if data[:4] == b"RIFF" and b"WEBP".startswith(data[8:12]):
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

    A kind whose end cannot be told counts as complete.
    """
    check = _CHECKS.get(kind)
    return check is None or check(data)


def heif_items_are_text(data: bytes) -> bool:
    """Say whether the types and names of a HEIF file's items are UTF-8.

    pi-heif 1.4 takes that for granted, and a damaged one ends the whole process.
    """
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + size if size >= 8 else len(data)
        if name == b"meta" and not _items_are_text(data[at:end]):
            return False
        at = end
    return True


def _items_are_text(meta: bytes) -> bool:
    at = meta.find(b"infe")
    while at >= 4:
        (size,) = struct.unpack_from(">I", meta, at - 4)
        version = meta[at + 4 : at + 5]
        type_at = at + (14 if version == b"\3" else 12)  # after flags, number and protection
        try:
            meta[type_at : at - 4 + size].decode()
        except UnicodeDecodeError:
            return False
        at = meta.find(b"infe", at + 4)
    return True


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


def _tiff(data: bytes) -> bool:
    """Check that the directory of the first image, and the pixels that it names, are there."""
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] != struct.pack(order + "H", 42):  # BigTIFF: its decoder decides alone
        return True
    try:
        (at,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, at)
        entries = [struct.unpack_from(order + "HHII", data, at + 2 + 12 * i) for i in range(count)]
        offsets = _tiff_numbers(data, order, entries, _TIFF_OFFSETS)
        lengths = _tiff_numbers(data, order, entries, _TIFF_LENGTHS)
    except struct.error:
        return False
    return all(start + length <= len(data) for start, length in zip(offsets, lengths, strict=False))


_TIFF_OFFSETS, _TIFF_LENGTHS = (273, 324), (279, 325)  # of strips, of tiles
_TIFF_SHORT, _TIFF_LONG = 3, 4


def _tiff_numbers(
    data: bytes, order: str, entries: list[tuple[int, ...]], tags: tuple[int, ...]
) -> tuple[int, ...]:
    """Read the whole numbers of the first entry that bears one of the tags."""
    for tag, kind, count, value in entries:
        if tag not in tags or kind not in (_TIFF_SHORT, _TIFF_LONG):
            continue
        size, code = (2, "H") if kind == _TIFF_SHORT else (4, "I")
        if count * size > len(data):
            raise struct.error("more numbers than the file has room for")
        if count * size <= 4:  # so few that they stand where others have their place
            packed = struct.pack(order + "I", value)
            return struct.unpack_from(f"{order}{count}{code}", packed)
        return struct.unpack_from(f"{order}{count}{code}", data, value)
    return ()


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "WEBP": _webp,
    "BMP": _bmp,
    "TIFF": _tiff,
    "HEIF": _heif,
}
