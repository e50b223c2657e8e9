"""What would take far more work than a photo does is rejected before it begins."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from PIL import Image

from makers.bombs import BOMBS, IMAGE, exif_that_unfolds, harmless, larger_inside
from pictures import encoded
from verger.photos import coded, heif
from verger.photos.decode import decode
from verger.photos.reasons import Reason, Reject

pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_file_of_too_many_parts_is_rejected_at_once(make: Callable[[], bytes]) -> None:
    data = make()
    began = time.process_time()
    with pytest.raises(Reject) as caught:
        decode(data, max_pixels=50_000_000)
    assert caught.value.reason == Reason.TOO_LARGE
    assert time.process_time() - began < 1  # seconds; each took 5 to 500 before


@pytest.mark.parametrize("data", harmless().values(), ids=harmless())
def test_parts_that_programs_write_are_not_too_many(data: bytes) -> None:
    decode(data)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_exif_that_unfolds_is_left_alone(format_: str) -> None:
    decode(encoded(IMAGE, format_, exif=exif_that_unfolds()))


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
@pytest.mark.parametrize("size", [(64, 64), (120, 90), (1001, 703), (1920, 1080)])
def test_the_size_of_a_stream_is_read_from_it(format_: str, size: tuple[int, int]) -> None:
    data = encoded(Image.new("RGB", size, (9, 200, 30)), format_)
    found = heif.container(data)
    assert found is not None
    width, height = coded.size(data, found, found.primary)
    assert 0 <= width - size[0] <= 8
    assert 0 <= height - size[1] <= 8


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
@pytest.mark.parametrize("alpha", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_stream_larger_than_its_container_says_counts(format_: str, alpha: bool) -> None:
    image = Image.new("RGB", (2000, 1500), (9, 200, 30))
    decode(encoded(image, format_), max_pixels=3_100_000)
    small = larger_inside(format_, (2000, 1500), alpha=alpha)
    with pytest.raises(Reject) as caught:
        decode(small, max_pixels=1_000_000)
    assert caught.value.reason == Reason.TOO_LARGE
    assert "2000 × 15" in caught.value.detail
