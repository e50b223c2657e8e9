"""Data that a decoder takes for a picture, though no encoder can have written them.

Most decoders tell a file that ends too early from one that is whole, and some check sums. What
they let pass is looked for here: pixels whose checksum is wrong, and zeros where a disk or a copy
lost data.
"""

from __future__ import annotations

from verger.photos import heif, png

_SECTOR = 512
_NALU_ZEROS = 64  # in HEVC three zeros never follow each other but before a length
_ONES = b"\xff" * _SECTOR  # as an erased sector of a chip is read
_CODED = {b"hvc1": _NALU_ZEROS, b"hev1": _NALU_ZEROS, b"av01": _SECTOR}


class Damage(Exception):
    """Raised where data are missing or cannot be what an encoder wrote; says what, in words."""


class Cut(Damage):
    """Data are missing at the end."""


def check(data: bytes, kind: str | None) -> None:
    """Raise `Damage` for a file of another kind than JPEG whose data are wiped out or changed."""
    if kind == "PNG" and not png.pixels_are_as_written(data):
        raise Damage("a checksum of its pixels is wrong")
    if kind == "WEBP":
        _check_webp(data)
    if kind == "HEIF" and (bytes(_NALU_ZEROS) in data or _ONES in data):
        _check_heif(data)


def _check_heif(data: bytes) -> None:
    found = heif.container(data)
    if found is None:
        return
    for item in [found.primary, *found.inputs.get(found.primary, ())]:
        zeros = bytes(_CODED.get(found.types.get(item, b""), 0))
        for start, end in found.places.get(item, ()) if zeros else ():
            for name, lost in (("zeros", zeros), ("ones", _ONES)):
                if (at := data.find(lost, start, end)) >= 0:
                    raise Damage(f"{name} in place of data, from byte {at} on")


def _check_webp(data: bytes) -> None:
    at = 12
    while at + 18 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in (b"VP8 ", b"VP8L"):
            width, height = (int.from_bytes(data[at + i : at + i + 2], "little") for i in (14, 16))
            # Of a plain area zeros may be all that is kept: of VP8 about a bit for a block of 256
            # pixels (twice that is let pass), of VP8L up to four for a pixel.
            if name == b"VP8 ":
                most = 64 + (width & 0x3FFF) * (height & 0x3FFF) // 1024
            else:
                sides = int.from_bytes(data[at + 9 : at + 13], "little")
                most = _SECTOR + ((sides & 0x3FFF) + 1) * ((sides >> 14 & 0x3FFF) + 1) // 2
            wiped = data.find(bytes(most), at + 8, at + 8 + size)
            if wiped >= 0:
                raise Damage(f"zeros in place of data, from byte {wiped} on")
            return
        at += 8 + size + size % 2
