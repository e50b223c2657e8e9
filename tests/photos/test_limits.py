"""What would take far more work than a photo does is rejected before it begins."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from pictures import encoded, png, smooth
from verger.photos import coded, heif
from verger.photos.decode import decode
from verger.photos.reasons import Reason, Reject

pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")

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


@pytest.mark.parametrize(
    "make",
    [
        lambda: scans(1200),
        lambda: scans(500),
        lambda: segments(b"\xff\xfe\0\2" * 300_000),
        lambda: segments(b"\xff\xfe\0\2" + b"\1" * 3_000_000),
        lambda: segments(b"\xff" * 3_000_000),
        lambda: chunks(200_000),
        lambda: comments(300_000),
        lambda: unfolding(3000, 1_000_000),
        lambda: tiff((256, 4, 1, 64), (257, 4, 1, 48), (259, 3, 1, 5), *SHADES,
                     (322, 4, 1, 40_000), (323, 4, 1, 40_000), (324, 4, 1, 8), (325, 4, 1, 99)),
        lambda: tiff((256, 4, 1, 1), (257, 4, 1, 500_000), (259, 3, 1, 1), *SHADES,
                     (278, 4, 1, 1), (273, 4, 500_000, 200), (279, 4, 500_000, 200), tail=2**21),
    ],
    ids=["scans", "large scans", "segments", "junk", "padding", "chunks", "comments", "directory",
         "tile", "strips"],
)  # fmt: skip
def test_a_file_of_too_many_parts_is_rejected_at_once(make: Callable[[], bytes]) -> None:
    data = make()
    began = time.process_time()
    with pytest.raises(Reject) as caught:
        decode(data, max_pixels=50_000_000)
    assert caught.value.reason == Reason.TOO_LARGE
    assert time.process_time() - began < 1  # seconds; each took 5 to 500 before


def test_parts_that_programs_write_are_not_too_many() -> None:
    decode(scans(8))
    decode(scans(90, (200, 100)))
    decode(segments(b"\xff\xe2\xff\xffabc" + bytes(65_530) + b"\xff\xfe\0\2" * 300))
    decode(chunks(900))
    decode(comments(900))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_exif_that_unfolds_is_left_alone(format_: str) -> None:
    entries = [(1000 + i, 7, 60_000, 10) for i in range(5000)]
    block = b"Exif\0\0" + tiff(*entries, tail=64_000)[:65_000]
    decode(encoded(IMAGE, format_, exif=block))


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
@pytest.mark.parametrize("size", [(64, 64), (120, 90), (1001, 703), (1920, 1080)])
def test_the_size_of_a_stream_is_read_from_it(format_: str, size: tuple[int, int]) -> None:
    data = encoded(Image.new("RGB", size, (9, 200, 30)), format_)
    found = heif.container(data)
    assert found is not None
    width, height = coded.size(data, found, found.primary)
    assert 0 <= width - size[0] <= 8
    assert 0 <= height - size[1] <= 8


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_stream_larger_than_its_container_says_counts(format_: str, alpha: bool) -> None:
    image = Image.new("RGB", (2000, 1500), (9, 200, 30))
    if alpha:
        image.putalpha(99)
    data = encoded(image, format_)
    decode(data, max_pixels=3_100_000)
    small = data.replace(struct.pack(">II", 2000, 1500), struct.pack(">II", 64, 64))
    assert small != data
    with pytest.raises(Reject) as caught:
        decode(small, max_pixels=1_000_000)
    assert caught.value.reason == Reason.TOO_LARGE
    assert "2000 × 15" in caught.value.detail
