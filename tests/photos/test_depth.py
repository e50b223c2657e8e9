"""Whatever bits a value has, white is white; what is not known is not guessed."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from pictures import encoded, png, smooth
from verger.photos.decode import decode
from verger.photos.reasons import Reason, Reject

pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")

SHADES = np.asarray(smooth(120, 90).convert("L"))
RIGHT = decode(encoded(Image.fromarray(SHADES), "PNG")).pixels


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


@pytest.mark.parametrize(
    "data",
    [
        tiff((WIDE * 257).astype("<u2").tobytes(), (16,)),
        tiff((65535 - WIDE * 257).astype("<u2").tobytes(), (16,), photometric=0),
        tiff((255 - WIDE).astype("u1").tobytes(), (8,), photometric=0),
        tiff((255 - WIDE).astype("u1").tobytes(), (8,), photometric=0, order=">"),
        tiff(packed(WIDE * 257 >> 4), (12,)),
        tiff((WIDE * 257 >> 1).astype("<i2").tobytes(), (16,), SIGNED),
        tiff((WIDE * 257 >> 1).astype(">i2").tobytes(), (16,), SIGNED, order=">"),
        tiff((WIDE * 16843009).astype("<u4").tobytes(), (32,)),
        tiff((WIDE * 16843009 >> 1).astype("<i4").tobytes(), (32,), SIGNED),
        tiff((WIDE * 16843009 >> 1).astype(">i4").tobytes(), (32,), SIGNED, order=">"),
    ],
    ids=["16", "16 inverted", "8 inverted", "8 inverted, big-endian", "12", "signed 16",
         "signed 16, big-endian", "32", "signed 32", "signed 32, big-endian"],
)  # fmt: skip
def test_shades_of_a_tiff_have_the_pixels_of_the_same_in_eight_bits(data: bytes) -> None:
    assert np.array_equal(decode(data).pixels, RIGHT)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_inverted_shades_in_compressed_tiffs(compression: str) -> None:
    # Pillow inverts eight bits itself as it writes, sixteen not.
    for values in (65535 - (WIDE * 257).astype(np.uint16), SHADES):
        data = encoded(Image.fromarray(values), "TIFF", compression=compression, tiffinfo={262: 0})
        assert struct.pack("<HHIH", 262, 3, 1, 0) in data
        assert np.array_equal(decode(data).pixels, RIGHT)


def test_seven_bits_beside_a_sign_reach_white() -> None:
    white = tiff(np.full((90, 120), 127, np.int8).tobytes(), (8,), SIGNED)
    assert (decode(white).pixels == 255).all()


@pytest.mark.parametrize(
    "data",
    [
        tiff(np.full(10_800, -5, np.int8).tobytes(), (8,), SIGNED),
        tiff(np.full(10_800, -5, "<i2").tobytes(), (16,), SIGNED),
        tiff(np.full(10_800, -5, "<i4").tobytes(), (32,), SIGNED),
        tiff(np.full(10_800, 255, "<u4").tobytes(), (32,)),
        tiff(np.full(10_800, 0.5, "<f4").tobytes(), (32,), (339, 3, 3)),
        tiff((65535 - WIDE * 257).astype(">u2").tobytes(), (16,), photometric=0, order=">"),
        tiff(packed(WIDE * 257 >> 4), (12,), order=">"),
        tiff(packed(WIDE * 257 >> 4), (12,), photometric=0),
        tiff(bytes(10_800 * 5), (8,) * 5, photometric=2),
        tiff(bytes(10_800 * 2), (16,), photometric=32803),
        tiff(bytes(10_800 * 8), (64,)),
        tiff(bytes(10_800 * 2), (14,)),
        tiff(bytes(10_800), (8,), (259, 3, 65000)),
    ],
    ids=["negative 8", "negative 16", "negative 32", "32, dark", "float", "16 inverted big-endian",
         "12 big-endian", "12 inverted", "five channels", "raw (CFA)", "64", "14", "compression"],
)  # fmt: skip
def test_whole_tiffs_of_a_kind_that_is_not_read_are_unsupported(data: bytes) -> None:
    assert rejected(data).reason == Reason.UNSUPPORTED
    assert rejected(data[: len(data) // 2]).reason == Reason.TRUNCATED


def rejected(data: bytes) -> Reject:
    with pytest.raises(Reject) as caught:
        decode(data)
    return caught.value


def test_whole_files_of_other_kinds_that_are_not_read() -> None:
    jpeg = encoded(smooth(64, 48), "JPEG")
    at = jpeg.index(b"\xff\xc0")
    for change in ((at + 4, 12), (at + 1, 0xC7), (at + 1, 0xF7), (at + 9, 2)):
        data = bytearray(jpeg)
        data[change[0]] = change[1]
        assert rejected(bytes(data)).reason == Reason.UNSUPPORTED, change
    heic = encoded(smooth(64, 48), "HEIF").replace(b"hvc1", b"vvc1")
    assert rejected(heic).reason == Reason.UNSUPPORTED
    bmp = bytearray(encoded(smooth(64, 48), "BMP"))
    bmp[30] = 4  # JPEG in BMP
    assert rejected(bytes(bmp)).reason == Reason.UNSUPPORTED


@pytest.mark.parametrize("brand", [b"mif2", b"MiHE", b"1pic", b"tmap", b"mif1", b"heix"])
@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
def test_a_heif_is_known_by_any_of_its_brands(format_: str, brand: bytes) -> None:
    data = encoded(smooth(120, 90), format_)
    right = decode(data).pixels
    assert np.array_equal(decode(data[:8] + brand + data[12:]).pixels, right)
    alone = data[:8] + brand + data[12:16] + brand + data[20:]  # among the compatible ones too
    if format_ == "HEIF":
        assert np.array_equal(decode(alone).pixels, right)
    video = data[:8] + b"isom\0\0\0\0" + b"mp42" * ((data[3] - 16) // 4) + data[data[3] :]
    assert rejected(video).reason == Reason.NOT_AN_IMAGE


@pytest.mark.parametrize(
    ("bits", "kind", "row", "transparent", "clear"),
    [
        (16, 0, struct.pack(">H", 0x1234) * 50, struct.pack(">H", 0x1234), True),
        (16, 0, struct.pack(">H", 0x1234) * 50, struct.pack(">H", 0x1235), False),
        (16, 2, struct.pack(">3H", 0x12FF, 9, 0) * 50, struct.pack(">3H", 0x12FF, 9, 0), True),
        (16, 2, struct.pack(">3H", 0x12FF, 9, 0) * 50, struct.pack(">3H", 0x44FF, 9, 0), False),
        (8, 0, b"\x12" * 50, struct.pack(">H", 0x12), True),
        (4, 0, b"\x55" * 25, struct.pack(">H", 5), True),
        (4, 0, b"\x55" * 25, struct.pack(">H", 4), False),
        (2, 0, b"\x55" * 13, struct.pack(">H", 1), True),
        (1, 0, bytes(7), struct.pack(">H", 0), True),
        (1, 0, bytes(7), struct.pack(">H", 1), False),
    ],
)
def test_the_transparent_value_of_a_png_is_of_its_own_depth(
    bits: int, kind: int, row: bytes, transparent: bytes, clear: bool
) -> None:
    pixels = decode(png(50, 40, bits, kind, row, (b"tRNS", transparent))).pixels
    assert (pixels == 255).all() == clear
    opaque = decode(png(50, 40, bits, kind, row)).pixels
    assert clear or np.array_equal(pixels, opaque)


def test_colours_multiplied_by_their_alpha() -> None:
    half = np.full((90, 120, 4), (100, 0, 0, 128), np.uint8)  # half of a red of 200
    premultiplied: Any = tiff(half.tobytes(), (8,) * 4, (338, 3, 1), photometric=2)
    pixels = decode(premultiplied).pixels
    assert np.abs(pixels.astype(int) - (227, 127, 127)).max() <= 2
    shade = np.full((90, 120, 2), (50, 128), np.uint8)
    pixels = decode(tiff(shade.tobytes(), (8, 8), (338, 3, 1))).pixels
    assert np.abs(pixels.astype(int) - 177).max() <= 2


def test_the_depth_of_a_heic_does_not_matter() -> None:
    image = smooth(120, 90)
    deep = (np.asarray(image).astype(np.uint16) * 257).astype("<u2").tobytes()
    heif = pillow_heif.from_bytes("RGB;16", image.size, deep)
    out = io.BytesIO()
    heif.save(out, quality=95)
    difference = decode(out.getvalue()).pixels.astype(int) - decode(encoded(image, "PNG")).pixels
    assert np.abs(difference).max() <= 10
