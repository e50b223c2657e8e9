"""Shades and colours of any depth: TIFFs written by hand, and a PNG's transparent value."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from PIL import Image

from pictures import encoded, png, smooth

SHADES = np.asarray(smooth(120, 90).convert("L"))


def tiff(
    pixels: bytes, bits: tuple[int, ...], *entries: tuple[int, int, int], order: str = "<",
    photometric: int = 1, size: tuple[int, int] = (120, 90),
) -> bytes:  # fmt: skip
    """A TIFF with one strip; an entry is (tag, type, value)."""
    fields = {256: (4, size[0]), 257: (4, size[1]), 259: (3, 1), 262: (3, photometric),
              277: (3, len(bits)), 278: (4, size[1]), 279: (4, len(pixels))}  # fmt: skip
    fields |= {tag: (kind, value) for tag, kind, value in entries}
    head = 8 + 2 + 12 * (len(fields) + 2) + 4
    depths = struct.pack(f"{order}{len(bits)}H", *bits)
    depths += bytes(len(depths) % 2)
    fields[273] = (4, head + len(depths))
    code = {3: "H2x", 4: "I"}
    table = {
        tag: struct.pack(f"{order}HHI{code[kind]}", tag, kind, 1, value)
        for tag, (kind, value) in fields.items()
    }
    place = depths.ljust(4, b"\0") if len(depths) <= 4 else struct.pack(order + "I", head)
    table[258] = struct.pack(order + "HHI", 258, 3, len(bits)) + place
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    directory = struct.pack(order + "H", len(table)) + b"".join(table[tag] for tag in sorted(table))
    return start + directory + bytes(4) + depths + pixels


def packed(values: np.ndarray) -> bytes:
    """Twelve bits a value, the higher first."""
    first, second = values.reshape(-1, 2).astype(np.uint16).T
    return (
        np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1)
        .astype(np.uint8)
        .tobytes()
    )


WIDE = SHADES.astype(np.uint32)
SIGNED = (339, 3, 2)


# Each has the pixels of SHADES in eight bits.
READ = {
    "16": tiff((WIDE * 257).astype("<u2").tobytes(), (16,)),
    "16 inverted": tiff((65535 - WIDE * 257).astype("<u2").tobytes(), (16,), photometric=0),
    "8 inverted": tiff((255 - WIDE).astype("u1").tobytes(), (8,), photometric=0),
    "8 inverted, big-endian": tiff(
        (255 - WIDE).astype("u1").tobytes(), (8,), photometric=0, order=">"
    ),
    "12": tiff(packed(WIDE * 257 >> 4), (12,)),
    "signed 16": tiff((WIDE * 257 >> 1).astype("<i2").tobytes(), (16,), SIGNED),
    "signed 16, big-endian": tiff(
        (WIDE * 257 >> 1).astype(">i2").tobytes(), (16,), SIGNED, order=">"
    ),
    "32": tiff((WIDE * 16843009).astype("<u4").tobytes(), (32,)),
    "signed 32": tiff((WIDE * 16843009 >> 1).astype("<i4").tobytes(), (32,), SIGNED),
    "signed 32, big-endian": tiff(
        (WIDE * 16843009 >> 1).astype(">i4").tobytes(), (32,), SIGNED, order=">"
    ),
}
# Whole files that are `unsupported`: what white is cannot be known, or no decoder here knows it.
UNREAD = {
    "negative 8": tiff(np.full(10_800, -5, np.int8).tobytes(), (8,), SIGNED),
    "negative 16": tiff(np.full(10_800, -5, "<i2").tobytes(), (16,), SIGNED),
    "negative 32": tiff(np.full(10_800, -5, "<i4").tobytes(), (32,), SIGNED),
    "32, dark": tiff(np.full(10_800, 255, "<u4").tobytes(), (32,)),
    "float": tiff(np.full(10_800, 0.5, "<f4").tobytes(), (32,), (339, 3, 3)),
    "five channels": tiff(bytes(10_800 * 5), (8,) * 5, photometric=2),
    "raw (CFA)": tiff(bytes(10_800 * 2), (16,), photometric=32803),
    "64": tiff(bytes(10_800 * 8), (64,)),
    "14": tiff(bytes(10_800 * 2), (14,)),
    "compression": tiff(bytes(10_800), (8,), (259, 3, 65000)),
}
LARGEST = (281, 3, 4095)
# The same of SHADES: another program may read them.
UNREAD_SHADES = {
    "16 inverted, big-endian": tiff(
        (65535 - WIDE * 257).astype(">u2").tobytes(), (16,), photometric=0, order=">"
    ),
    "12, big-endian": tiff(packed(WIDE * 257 >> 4), (12,), order=">"),
    "12 inverted": tiff(packed(4095 - (WIDE * 257 >> 4)), (12,), photometric=0),
    "12 of 16, colours": tiff(
        (WIDE * 257 >> 4).astype("<u2").repeat(3).tobytes(), (16,) * 3, LARGEST, photometric=2
    ),
}
# Values that say how large the largest is: white, where that is the largest of so many bits.
FEWER_BITS = {
    "12 of 16": tiff((WIDE * 257 >> 4).astype("<u2").tobytes(), (16,), LARGEST),
    "12 of 16, big-endian": tiff(
        (WIDE * 257 >> 4).astype(">u2").tobytes(), (16,), LARGEST, order=">"
    ),
    "12 of 16 inverted": tiff(
        (4095 - (WIDE * 257 >> 4)).astype("<u2").tobytes(), (16,), LARGEST, photometric=0
    ),
    "12 of 16 signed": tiff(
        (WIDE * 257 >> 4).astype("<i2").tobytes(), (16,), SIGNED, (341, 3, 4095)
    ),
    "16 of 32": tiff((WIDE * 257).astype("<u4").tobytes(), (32,), (281, 4, 65535)),
    "a largest value that is exceeded": tiff((WIDE * 257).astype("<u2").tobytes(), (16,), LARGEST),
    "a largest value of no number of bits": tiff(
        (WIDE * 257).astype("<u2").tobytes(), (16,), (281, 3, 65000)
    ),
}


def inverted(values: np.ndarray, compression: str) -> bytes:
    """Compress shades of SHADES in a TIFF whose white is zero.

    Pillow inverts eight bits itself as it writes, sixteen not.
    """
    data = encoded(Image.fromarray(values), "TIFF", compression=compression, tiffinfo={262: 0})
    assert struct.pack("<HHIH", 262, 3, 1, 0) in data
    return data


INVERTED = (65535 - (WIDE * 257).astype(np.uint16), SHADES)
COMPRESSIONS = ("tiff_lzw", "tiff_deflate", "packbits")
# Bits, kind of colour, row, and the value that is transparent; whether that is the row's.
TRANSPARENT = [
    (16, 0, struct.pack(">H", 0x1234) * 50, struct.pack(">H", 0x1234), True),
    (16, 0, struct.pack(">H", 0x1234) * 50, struct.pack(">H", 0x1235), False),
    (16, 2, struct.pack(">3H", 0x12FF, 9, 0) * 50, struct.pack(">3H", 0x12FF, 9, 0), True),
    (16, 2, struct.pack(">3H", 0x12FF, 9, 0) * 50, struct.pack(">3H", 0x44FF, 9, 0), False),
    (8, 0, b"\x12" * 50, struct.pack(">H", 0x12), True),
    (8, 0, b"\x64" * 50, struct.pack(">H", 0x64), True),
    (8, 2, bytes((10, 20, 30)) * 50, struct.pack(">3H", 10, 20, 30), True),
    (4, 0, b"\x55" * 25, struct.pack(">H", 5), True),
    (4, 0, b"\x55" * 25, struct.pack(">H", 4), False),
    (2, 0, b"\x55" * 13, struct.pack(">H", 1), True),
    (1, 0, bytes(7), struct.pack(">H", 0), True),
    (1, 0, bytes(7), struct.pack(">H", 1), False),
]


def with_transparent_value(bits: int, kind: int, row: bytes, transparent: bytes) -> bytes:
    return png(50, 40, bits, kind, row, (b"tRNS", transparent))


def premultiplied() -> dict[str, tuple[bytes, tuple[int, int, int]]]:
    """TIFFs whose colours are multiplied by their alpha, and the colour that is seen over white."""
    half: Any = np.full((90, 120, 4), (100, 0, 0, 128), np.uint8)  # half of a red of 200
    shade = np.full((90, 120, 2), (50, 128), np.uint8)
    return {
        "colour": (
            tiff(half.tobytes(), (8,) * 4, (338, 3, 1), photometric=2), (227, 127, 127)
        ),
        "shade": (tiff(shade.tobytes(), (8, 8), (338, 3, 1)), (177, 177, 177)),
    }  # fmt: skip


def bmp_with_alpha(pixels: np.ndarray) -> bytes:
    """Write RGBA pixels (h, w, 4) as a BMP of version 4, whose header says where alpha is."""
    height, width, _ = pixels.shape
    rows = pixels[::-1, :, [2, 1, 0, 3]].tobytes()
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(rows), 2835, 2835, 0, 0)
    header += struct.pack("<5I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, 0x73524742) + bytes(48)
    return struct.pack("<2sIII", b"BM", 122 + len(rows), 0, 122) + header + rows


def other_kinds() -> dict[str, bytes]:
    """Whole files of other kinds that are `unsupported`."""
    jpeg = encoded(smooth(64, 48), "JPEG")
    at = jpeg.index(b"\xff\xc0")
    changes = {
        "twelve bits.jpg": (at + 4, 12), "lossless.jpg": (at + 1, 0xC7),
        "JPEG-LS.jpg": (at + 1, 0xF7), "two colours.jpg": (at + 9, 2),
    }  # fmt: skip
    made = {name: _changed(jpeg, *change) for name, change in changes.items()}
    made["vvc.heic"] = encoded(smooth(64, 48), "HEIF").replace(b"hvc1", b"vvc1")
    made["height after its scan.jpg"] = _with_height_after_its_scan(jpeg)
    made["jpeg inside.bmp"] = _changed(encoded(smooth(64, 48), "BMP"), 30, 4)
    return made


def _with_height_after_its_scan(jpeg: bytes) -> bytes:
    """Leave the height to a segment after the first scan (DNL)."""
    at = jpeg.index(b"\xff\xc0")
    height = b"\xff\xdc\0\4" + jpeg[at + 5 : at + 7]
    return jpeg[: at + 5] + b"\0\0" + jpeg[at + 7 : -2] + height + jpeg[-2:]


def _changed(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes((value,)) + data[at + 1 :]


# HEIC and AVIF of other brands --------------------------------------------------------------------

BRANDS = (b"mif2", b"MiHE", b"1pic", b"tmap", b"mif1", b"heix")


def with_brand(data: bytes, brand: bytes, *, alone: bool = False) -> bytes:
    """Give a HEIF another major brand; `alone`: and no usual one among the compatible ones."""
    if alone:
        return data[:8] + brand + data[12:16] + brand + data[20:]
    return data[:8] + brand + data[12:]


def as_video(data: bytes) -> bytes:
    """Give a HEIF the brands of a video."""
    return data[:8] + b"isom\0\0\0\0" + b"mp42" * ((data[3] - 16) // 4) + data[data[3] :]
