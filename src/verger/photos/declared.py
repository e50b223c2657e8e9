"""What a file says of the colours of its pixels."""

from __future__ import annotations

from PIL import Image

from verger.photos import heif, tiff
from verger.photos.colour import (
    Declared,
    adobe_rgb,
    profile_of_code_points,
    profile_of_png_chunks,
)
from verger.photos.png import chunks_before_pixels

_EXIF_FOLDER, _INTEROP_FOLDER, _COLOR_SPACE, _INTEROP_INDEX = 0x8769, 0xA005, 0xA001, 1
_UNCALIBRATED = b"\xff\xff"
_SHADES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"})


def declared(image: Image.Image, data: bytes) -> Declared | None:
    """Return the colours that an opened image declares; None where that is sRGB, or nothing.

    Code points come before a profile where a PNG has both, and after it in HEIF; sRGB's own chunk
    before gamma; EXIF counts where nothing else speaks.
    """
    profile = _profile(image, data)
    return None if profile is None else Declared(profile, image.mode in _SHADES)


def _profile(image: Image.Image, data: bytes) -> bytes | None:
    if image.format == "PNG":
        said, profile = _of_png(image, data)
        if said:
            return profile
    icc = image.info.get("icc_profile")
    if isinstance(icc, bytes) and icc:
        return icc
    if image.format in ("HEIF", "AVIF"):
        found = heif.container(data)
        points = None if found is None else heif.code_points(data, found)
        if points is not None and points != heif.UNSPECIFIED:
            return profile_of_code_points(*points)
    return adobe_rgb() if _exif_says_adobe_rgb(image, data) else None


def _of_png(image: Image.Image, data: bytes) -> tuple[bool, bytes | None]:
    """Return whether a PNG's own chunks speak, an iCCP apart, and the profile that they mean."""
    chunks = chunks_before_pixels(data)
    points = chunks.get(b"cICP", b"")
    if len(points) == 4:
        return True, profile_of_code_points(points[0], points[1])
    if image.info.get("icc_profile"):
        return False, None
    if b"sRGB" in chunks:
        return True, None
    if b"gAMA" in chunks or b"cHRM" in chunks:
        return True, profile_of_png_chunks(chunks.get(b"gAMA"), chunks.get(b"cHRM"))
    return False, None


def _exif_says_adobe_rgb(image: Image.Image, data: bytes) -> bool:
    block = image.info.get("exif")
    if image.format == "TIFF":
        block = data
    if not (isinstance(block, bytes) and b"R03" in block):
        return False
    block = block.removeprefix(b"Exif\0\0")
    space = tiff.first_bytes(block, (_EXIF_FOLDER, _COLOR_SPACE)) or b""
    index = tiff.first_bytes(block, (_EXIF_FOLDER, _INTEROP_FOLDER, _INTEROP_INDEX))
    return space[:2] == _UNCALIBRATED and index is not None and index[:3] == b"R03"
