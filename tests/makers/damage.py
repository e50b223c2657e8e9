"""Photos that are cut, or have holes, and claim to be whole."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from pictures import encoded, smooth

KINDS: list[dict[str, Any]] = [
    {}, {"optimize": True}, {"subsampling": 0}, {"quality": 95}, {"restart_marker_rows": 2},
]  # fmt: skip
OWN_TABLES: dict[str, Any] = {"optimize": True, "quality": 60}
WITH_RESTARTS: dict[str, dict[str, Any]] = {
    "progressive and restart markers": {"progressive": True, "restart_marker_rows": 20},
    "own tables and restart markers": {**OWN_TABLES, "restart_marker_rows": 20},
}
# JPEGs in which a plain area is zeros, so that a hole is not found by zeros alone.
ZEROS_MEAN_SOMETHING = {
    "progressive": {"progressive": True}, "own tables": OWN_TABLES, **WITH_RESTARTS,
}  # fmt: skip
TIFF_COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "jpeg", "packbits")


def grainy(width: int = 480, height: int = 360) -> Image.Image:
    """A photo with the grain of a sensor: as large a file as a real one."""
    grain = np.random.default_rng(3).normal(0, 6, (height, width, 3))
    pixels = np.asarray(smooth(width, height)).astype(float) + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def half_plain(image: Image.Image, color: tuple[int, ...]) -> Image.Image:
    """Make all but the upper third of a picture plain."""
    half = image.copy()
    half.paste(color, (0, image.height // 3, *image.size))
    return half


def with_hole(data: bytes, size: int, share: float = 0.4, fill: int = 0) -> bytes:
    """Lose some sectors: as zeros, or erased (0xFF)."""
    at = int(len(data) * share)
    return data[:at] + bytes((fill,)) * size + data[at + size :]


def ended_early(jpeg: bytes, share: float) -> bytes:
    """Cut a JPEG, and give it an end marker."""
    return jpeg[: int(len(jpeg) * share)] + b"\xff\xd9"


def filled_up(data: bytes) -> bytes:
    """Put zeros in the place of the last two thirds."""
    return data[: len(data) // 3].ljust(len(data), b"\0")


def with_another_file(data: bytes) -> bytes:
    """Put eight sectors of another file amid a photo."""
    other = np.random.default_rng(1).integers(0, 255, 4096, dtype=np.uint8).tobytes()
    at = len(data) // 3
    return data[:at] + other + data[at + 4096 :]


def png_with_half_its_pixels(png: bytes) -> bytes:
    """Shorten the pixels of a PNG, with the right length and checksum."""
    at = png.index(b"IDAT")
    (length,) = struct.unpack_from(">I", png, at - 4)
    half = png[at + 4 : at + 4 + length // 2]
    chunk = struct.pack(">I", len(half)) + b"IDAT" + half
    return png[: at - 4] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + png[-12:]


def with_additions(jpeg: bytes) -> dict[str, bytes]:
    """The same photo, with more after it and between its parts."""
    scan = jpeg.index(b"\xff\xda")
    return {
        "zeros after it": jpeg + b"\0" * 5000,
        "a photo after it": jpeg + encoded(smooth(60, 40), "JPEG"),
        "a video after it": jpeg + b"\0\0\0\x18ftypmp42" + bytes(99),
        "padding before its end": jpeg[:-2] + b"\xff" * 3 + jpeg[-2:],
        "zeros before its end": jpeg[:-2] + b"\0" * 600 + jpeg[-2:],
        "padding between its parts": jpeg[:scan] + b"\xff\xff\xff" + jpeg[scan:],
    }


def flipped(jpeg: bytes) -> bytes:
    """Flip a bit amid the data."""
    at = len(jpeg) // 2
    return jpeg[:at] + bytes((jpeg[at] ^ 0x10,)) + jpeg[at + 1 :]


def cut_in_its_last_scan(jpeg: bytes) -> bytes:
    """Cut a progressive JPEG where half of its last scan is told, and give it an end marker."""
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[: (last + len(jpeg)) // 2] + b"\xff\xd9"
