"""Files that would take far more work than a photo does."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from PIL import Image

from pictures import encoded, png, smooth

IMAGE = smooth(64, 48)


def scans(more: int, size: tuple[int, int] = (3000, 2000)) -> bytes:
    """A progressive JPEG that brings its last scan again and again."""
    data = encoded(Image.new("L", size, 200), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * more + b"\xff\xd9"


def segments(body: bytes) -> bytes:
    return b"\xff\xd8" + body + encoded(IMAGE, "JPEG")[2:]


def chunks(count: int) -> bytes:
    body = b"teXtA\0"
    empty = struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body))
    data = png(50, 40, 8, 0, bytes(50))
    return data[:33] + empty * count + data[33:]


def comments(count: int) -> bytes:
    data = encoded(IMAGE.quantize(16), "GIF")
    at = 13 + (3 << (data[10] & 7) + 1)
    return data[:at] + b"!\xfe\1a\0" * count + data[at:]


def tiff(*entries: tuple[int, int, int, int], tail: int = 2000) -> bytes:
    table = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + bytes(4 + tail)


SHADES = [(258, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1)]


def unfolding(entries: int, size: int) -> bytes:
    """A TIFF whose entries all name the same bytes."""
    many = [(40_000 + i, 7, size, 10) for i in range(entries)]
    return tiff((256, 4, 1, 64), (257, 4, 1, 48), *SHADES, *many, tail=size)


# Each takes far more work than a photo, and is `too_large`.
BOMBS: dict[str, Callable[[], bytes]] = {
    "scans.jpg": lambda: scans(1200),
    "large scans.jpg": lambda: scans(500),
    "scans of nothing.jpg": lambda: scan_bomb(6000),
    "segments.jpg": lambda: segments(b"\xff\xfe\0\2" * 300_000),
    "junk.jpg": lambda: segments(b"\xff\xfe\0\2" + b"\1" * 3_000_000),
    "padding.jpg": lambda: segments(b"\xff" * 3_000_000),
    "chunks.png": lambda: chunks(200_000),
    "comments.gif": lambda: comments(300_000),
    "directory.tif": lambda: unfolding(3000, 1_000_000),
    "tile.tif": lambda: tiff(
        (256, 4, 1, 64), (257, 4, 1, 48), (259, 3, 1, 5), *SHADES,
        (322, 4, 1, 40_000), (323, 4, 1, 40_000), (324, 4, 1, 8), (325, 4, 1, 99),
    ),
    "strips.tif": lambda: tiff(
        (256, 4, 1, 1), (257, 4, 1, 500_000), (259, 3, 1, 1), *SHADES,
        (278, 4, 1, 1), (273, 4, 500_000, 200), (279, 4, 500_000, 200), tail=2**21,
    ),
}  # fmt: skip


def harmless() -> dict[str, bytes]:
    """As many parts as programs write."""
    return {
        "few scans.jpg": scans(8),
        "many small scans.jpg": scans(90, (200, 100)),
        "segments.jpg": segments(b"\xff\xe2\xff\xffabc" + bytes(65_530) + b"\xff\xfe\0\2" * 300),
        "chunks.png": chunks(900),
        "comments.gif": comments(900),
    }


def exif_that_unfolds() -> bytes:
    entries = [(1000 + i, 7, 60_000, 10) for i in range(5000)]
    return b"Exif\0\0" + tiff(*entries, tail=64_000)[:65_000]


def huge(side: int = 20_000) -> bytes:
    """A whole PNG of side × side pixels of one bit: 50 kB that would be 400 MB."""
    return png(side, side, 1, 0, bytes(side // 8))


def text_that_unfolds(megabytes: int = 80) -> bytes:
    """A PNG whose comment is a few kB that would be many MB."""
    body = b"Comment\0\0" + zlib.compress(bytes(megabytes * 1_000_000), 9)
    return png(50, 40, 8, 2, bytes((10, 20, 30)) * 50, (b"zTXt", body))


def larger_inside(format_: str, size: tuple[int, int], *, alpha: bool = False) -> bytes:
    """A HEIC or AVIF whose container says 64 × 64, and whose stream is of another size."""
    image = Image.new("RGB", size, (9, 200, 30))
    if alpha:
        image.putalpha(99)
    return _said_to_be_small(encoded(image, format_), size)


def larger_inside_gray(side: int) -> bytes:
    """An AVIF like that which is made in seconds, though it has 100 megapixels."""
    options = {"speed": 10, "subsampling": "4:0:0", "autotiling": True}
    data = encoded(Image.new("L", (side, side), 90), "AVIF", **options)
    return _said_to_be_small(data, (side, side))


def _said_to_be_small(data: bytes, size: tuple[int, int]) -> bytes:
    small = data.replace(struct.pack(">II", *size), struct.pack(">II", 64, 64))
    assert small != data
    return small


def larger_outside(width: int, height: int) -> bytes:
    """A PNG that says that it is huge, and is tiny."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    )


def scan_bomb(side: int = 6000, scans: int = 10_000) -> bytes:
    """Return a progressive JPEG, grey, whose scans add nothing, and are about all blocks each.

    57 bytes a scan of 36 megapixels take a decoder some 30 ms: 570 kB keep it busy for minutes.
    """
    blocks = ((side + 7) // 8) ** 2
    runs = "".join("0" + "1" * 14 for _ in range(blocks // 32767 + 1))  # "nothing in 32,767 blocks"
    first = _segment(0xDA, b"\1\1\0\0\0\0") + _packed("0" * blocks)
    more = _segment(0xDA, b"\1\1\0\1\x3f\0") + _packed(runs)
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xDB, b"\0" + b"\x10" * 64),
            _segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"),
            _segment(0xC4, b"\x00\1" + bytes(15) + b"\x00"),  # the code 0: no difference
            _segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0"),  # the code 0: a run, 14 bits long
            first,
            more * scans,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _packed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
