"""Photos in every format and mode, and files that are no photos or none that can be shown."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from PIL import Image

from pictures import BLUE, RED, corners, encoded, exif, png, smooth

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
WITH_FRAMES = ("GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF")
NOT_LISTED = ("PPM", "ICO", "TGA", "PCX", "EPS")  # formats that Pillow reads, and Verger does not
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def filled(mode: str, color: Any) -> Image.Image:
    return Image.new(mode, (50, 40), color)


def palette(color: tuple[int, int, int]) -> Image.Image:
    image = Image.new("P", (50, 40), 3)
    image.putpalette([0] * 9 + list(color) + [0] * 756)
    return image


def gray16(value: int) -> Image.Image:
    return Image.fromarray(np.full((40, 50), value, np.uint16))


# An image, the formats that hold it, and the colour that a person sees.
MODES: list[tuple[Image.Image, tuple[str, ...], tuple[int, int, int]]] = [
        (filled("L", 100), FORMATS, (100,) * 3),
        (palette((10, 200, 90)), ("PNG", "GIF", "BMP", "TIFF"), (10, 200, 90)),
        (filled("RGBA", (0, 0, 0, 0)), ("PNG", "WEBP", "TIFF", "AVIF", "HEIF", "GIF"), WHITE),
        (filled("RGBA", (255, 0, 0, 128)), ("PNG", "WEBP", "TIFF", "HEIF"), (255, 127, 127)),
        (filled("RGBA", (0, 0, 255, 51)), ("PNG", "AVIF"), (204, 204, 255)),
        (filled("LA", (0, 51)), ("PNG", "TIFF"), (204,) * 3),
        (filled("CMYK", (0, 255, 255, 0)), ("JPEG", "TIFF"), (255, 0, 0)),
        (filled("CMYK", (0, 0, 0, 255)), ("JPEG", "TIFF"), BLACK),
        (filled("YCbCr", (128, 128, 128)), ("JPEG", "TIFF"), (128,) * 3),
        (gray16(0x8080), ("PNG", "TIFF"), (128,) * 3),
        (gray16(0xFFFF), ("PNG", "TIFF"), WHITE),
        (gray16(0x0300), ("PNG", "TIFF"), (3,) * 3),
        (filled("1", 1), ("PNG", "TIFF", "BMP"), WHITE),
        (filled("1", 0), ("PNG", "TIFF", "BMP"), BLACK),
    ]  # fmt: skip

_HALF = struct.pack(">H", 0x8000)
_RGB = struct.pack(">3H", 0xFFFF, 0x8080, 0)
DEEP_PNGS = {
    "colour": (png(50, 40, 16, 2, _RGB * 50), (255, 128, 0)),
    "colour and alpha": (png(50, 40, 16, 6, (_RGB + _HALF) * 50), (255, 191, 127)),
    "shade and alpha": (png(50, 40, 16, 4, (struct.pack(">H", 0) + _HALF) * 50), (127,) * 3),
}


def transparent_palettes() -> dict[str, tuple[bytes, tuple[int, int, int]]]:
    entries = (b"PLTE", bytes((10, 20, 30, 200, 0, 0)))
    clear, half = (b"tRNS", b"\0"), (b"tRNS", b"\x80")
    return {
        "clear.png": (png(50, 40, 8, 3, bytes(50), entries, clear), WHITE),
        "not clear.png": (png(50, 40, 8, 3, b"\1" * 50, entries, clear), (200, 0, 0)),
        "half clear.png": (png(50, 40, 8, 3, bytes(50), entries, half), (132, 137, 142)),
        "clear.gif": (encoded(palette((10, 200, 90)), "GIF", transparency=3), WHITE),
    }


def big_endian_tiff() -> bytes:
    """A plain gray of 16 bits."""
    pixels = np.full((40, 50), 0x8000, ">u2").tobytes()
    entries = [(256, 3, 50), (257, 3, 40), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 200),
               (277, 3, 1), (278, 3, 40), (279, 4, len(pixels))]  # fmt: skip
    directory = b"".join(
        struct.pack(">HHI", tag, kind, 1)
        + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in entries
    )
    head = b"MM\0*" + struct.pack(">IH", 8, len(entries)) + directory + bytes(4)
    return head.ljust(200, b"\0") + pixels


def of_several_frames(format_: str) -> bytes:
    """An animation, or a file of several pictures, whose first has four corners."""
    frames = [Image.new("RGB", (60, 50), BLUE), Image.new("RGB", (60, 50), RED)]
    return encoded(corners(60, 50), format_, save_all=True, append_images=frames)


def not_rgb() -> dict[str, bytes]:
    """TIFFs that cannot be shown as RGB."""
    images = {
        "floats": Image.fromarray(np.ones((9, 9), np.float32)),
        "negative": Image.fromarray(np.full((9, 9), -5, np.int32)),
        "Lab": Image.new("LAB", (9, 9)),
    }
    return {name: encoded(image, "TIFF") for name, image in images.items()}


CORRUPT_EXIF = {
    "nonsense": b"Exif\0\0" + b"\xff" * 40,
    "no directory": b"Exif\0\0II*\0\xff\xff\xff\xff",
    "a directory that is not there": b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"
    b"\x01\x12\0\x03\xff\xff\xff\xff\0\0\0\0",
    "nothing": b"Exif\0\0",
    "an orientation that is text": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0",
}
NO_IMAGES = {
    "a word": b"hello",
    "a letter": b"a",
    "zeros": b"\0" * 5000,
    "a drawing": b"<svg></svg>",
    "a page": b"<!DOCTYPE html><title>404 Not Found</title>",
    "a document": b"%PDF-1.7",
    "a text": "pêche\n".encode() * 99,
}


def scrambled_png() -> bytes:
    """A PNG of full length, with noise in its midst."""
    data = bytearray(encoded(smooth(320, 240), "PNG"))
    data[1000:2900] = np.random.default_rng(0).bytes(1900)
    return bytes(data)


def heic_item_that_is_no_text(byte: int) -> bytes:
    """A HEIC in which the type of an item is no UTF-8."""
    data = encoded(corners(60, 50), "HEIF", exif=exif(6))
    at = data.index(b"Exif", data.index(b"infe"))
    return data[:at] + bytes((byte,)) + data[at + 1 :]
