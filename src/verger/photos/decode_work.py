"""The work that a decode will take, bounded before it starts.

A header's width and height are not all of it: a few hundred kilobytes can hold thousands of scans,
chunks or tiles, or a stream far larger than its container says. What no camera and no program for
pictures writes is rejected here, by what the structure of the file says.
"""

from __future__ import annotations

from itertools import islice

from verger.photos import coded, gif, heif, jpeg, png, tiff
from verger.photos.reasons import Reason, Reject

USUAL_SCANS = 20  # of a progressive JPEG: programs write about ten
MOST_SCANS = 1000
MOST_CHUNKS = 100_000  # of a PNG
MOST_TILES = 4096  # of a HEIC or AVIF
MOST_PARTS = 2**17  # strips or tiles of a TIFF
MOST_VALUES = 64 * 2**20  # bytes of the values in a TIFF's directory, or in EXIF
MOST_EXIF = 2**20
_BLOCK = 63


def check_jpeg(data: bytes, found: jpeg.Layout, max_pixels: int) -> None:
    """Raise `Reject` for a JPEG of too many scans or segments."""
    if len(found.segments) > jpeg.MOST_SEGMENTS or found.junk > jpeg.MOST_JUNK:
        raise _too_much(
            f"a JPEG with {len(found.segments)} segments and {found.junk} bytes of junk, or more"
        )
    if found.scan is None or found.in_one_scan or data.count(b"\xff\xda") <= USUAL_SCANS:
        return
    number = len(jpeg.scans(data, found, MOST_SCANS + 1))
    pixels = found.width * found.height
    if number > MOST_SCANS or (number - USUAL_SCANS) * pixels > USUAL_SCANS * max_pixels:
        raise _too_much(f"a JPEG of {number} scans or more, of {pixels} pixels each")


def check(data: bytes, kind: str | None, max_pixels: int) -> None:
    """Raise `Reject` for a file of another kind than JPEG that would take too much work."""
    if kind == "PNG":
        if len(list(islice(png.chunks(data), MOST_CHUNKS + 1))) > MOST_CHUNKS:
            raise _too_much(f"a PNG of more than {MOST_CHUNKS} chunks")
    elif kind == "GIF":
        if not gif.begins_soon(data):
            raise _too_much("a GIF with too much before its first picture")
    elif kind == "TIFF":
        _check_tiff(data, max_pixels)
    elif kind == "HEIF":
        found = heif.container(data)
        if found is not None:
            _check_heif(data, found, max_pixels)


def may_read_exif(block: object) -> bool:
    """Say whether a block of EXIF may be read: not too large, nor larger when it is unfolded."""
    if not isinstance(block, bytes):
        return False
    start = 6 if block[:6] == b"Exif\0\0" else 0
    return len(block) <= MOST_EXIF and tiff.bytes_of_values(block[start:]) <= MOST_VALUES


def _check_tiff(data: bytes, max_pixels: int) -> None:
    if tiff.bytes_of_values(data) > MOST_VALUES + 2 * len(data):
        raise _too_much("a TIFF whose directory unfolds to more than the file")
    found = tiff.directory(data)
    if found is None:
        return
    if len(found.offsets) > MOST_PARTS:
        raise _too_much(f"a TIFF of {len(found.offsets)} strips or tiles")
    if found.tile[0] * found.tile[1] > max(max_pixels, 2**20):
        raise _too_much(f"a TIFF with tiles of {found.tile[0]} × {found.tile[1]} pixels")


def _check_heif(data: bytes, found: heif.Container, max_pixels: int) -> None:
    """Follow the first image to all the coded images that it is made of, its alpha too."""
    waiting = [found.primary, *found.auxiliaries.get(found.primary, ())]
    sizes: dict[int, tuple[int, int]] = {}
    tiles = pixels = 0
    while waiting:
        item = waiting.pop()
        parts = found.inputs.get(item, ())
        tiles += len(parts)
        if tiles > MOST_TILES:
            raise _too_much(f"a HEIF of more than {MOST_TILES} tiles")
        waiting.extend(part for part in parts if part != item)
        if item not in sizes:
            sizes[item] = coded.size(data, found, item)
        width, height = sizes[item]
        pixels += width * height
        # Coding may add rows and columns that are not shown, fewer than a block's.
        least = max(width - _BLOCK, 0) * max(height - _BLOCK, 0)
        if least > max_pixels or pixels > 4 * max_pixels + _BLOCK * (width + height):
            raise _too_much(
                f"its stream has {width} × {height} pixels; --max-pixels is {max_pixels}"
            )


def _too_much(detail: str) -> Reject:
    return Reject(Reason.TOO_LARGE, detail)
