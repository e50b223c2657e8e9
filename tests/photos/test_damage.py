"""Half pictures that claim to be whole, and holes in the midst of one, are no photos."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from makers.damage import (
    KINDS,
    OWN_TABLES,
    TIFF_COMPRESSIONS,
    WITH_RESTARTS,
    cut_in_its_last_scan,
    ended_early,
    filled_up,
    flipped,
    grainy,
    half_plain,
    png_with_half_its_pixels,
    with_additions,
    with_another_file,
    with_hole,
)
from pictures import encoded, exif, smooth
from verger.photos.decode import decode
from verger.photos.reasons import Reason, Reject

pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")

BROKEN = (Reason.TRUNCATED, Reason.DAMAGED)


def reason(data: bytes) -> Reason | None:
    try:
        decode(data)
    except Reject as reject:
        return reject.reason
    return None


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("size", [(480, 360), (1300, 1000)])
def test_a_jpeg_cut_and_given_an_end_marker_is_truncated(
    options: dict[str, Any], size: tuple[int, int]
) -> None:
    data = encoded(grainy(*size), "JPEG", **options)
    assert reason(data) is None
    for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        assert reason(ended_early(data, share)) == Reason.TRUNCATED, share


@pytest.mark.parametrize("options", [*KINDS, {"progressive": True}])
@pytest.mark.parametrize("size", [512, 4096])
def test_a_jpeg_with_a_hole_of_zeros_is_broken(options: dict[str, Any], size: int) -> None:
    data = encoded(grainy(), "JPEG", **options)
    for share in (0.3, 0.5, 0.7):
        assert reason(with_hole(data, size, share)) in BROKEN


@pytest.mark.slow
@pytest.mark.parametrize("size", [512, 4096])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_hole_in_any_scan_of_a_progressive_jpeg_is_broken_or_hardly_seen(
    size: int, mode: str
) -> None:
    image = smooth(1600, 1200).convert(mode)
    data = encoded(image, "JPEG", progressive=True, quality=90)
    right = decode(data).pixels[0].astype(int)
    for at in range(700, len(data) - size, len(data) // 30):
        holed = data[:at] + bytes(size) + data[at + size :]
        if reason(holed) not in BROKEN:  # one bit a block: zeros may be meant, and matter little
            assert np.abs(decode(holed).pixels[0] - right).mean() < 1, at


@pytest.mark.parametrize("options", WITH_RESTARTS.values(), ids=WITH_RESTARTS)
def test_a_hole_in_a_jpeg_with_restart_markers_is_broken(options: dict[str, Any]) -> None:
    image = smooth(1600, 1200)
    assert reason(encoded(half_plain(image, (255, 255, 255)), "JPEG", **options)) is None
    data = encoded(image, "JPEG", **options)
    assert reason(data) is None
    for at in range(700, len(data) // 4, len(data) // 60):
        assert reason(data[:at] + bytes(512) + data[at + 512 :]) in BROKEN, at


@pytest.mark.parametrize("image", [grainy(), smooth(1600, 1200)], ids=["grainy", "smooth"])
def test_a_hole_or_zeros_for_an_end_of_a_jpeg_with_tables_of_its_own(image: Image.Image) -> None:
    data = encoded(image, "JPEG", **OWN_TABLES)
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        assert reason(with_hole(data, 512, share)) in BROKEN, share
        assert reason(data[: int(len(data) * share)].ljust(len(data), b"\0")) in BROKEN, share


def test_a_jpeg_with_another_file_s_sectors_in_it_is_broken() -> None:
    data = encoded(grainy(), "JPEG", quality=90)
    assert reason(with_another_file(data)) in BROKEN


def test_a_progressive_jpeg_whose_last_scans_are_missing_is_truncated() -> None:
    data = encoded(grainy(), "JPEG", progressive=True, quality=90)
    for share in (0.1, 0.3):
        assert reason(ended_early(data, share)) == Reason.TRUNCATED, share
    last = data.rindex(b"\xff\xda")
    assert reason(data[:last] + b"\xff\xd9") == Reason.TRUNCATED


@pytest.mark.parametrize("color", [(128, 128, 128), (255, 255, 255)])
@pytest.mark.parametrize(
    "size", [(64, 48), pytest.param((1200, 900), marks=pytest.mark.slow), (17, 3000)]
)
def test_plain_pictures_are_whole_though_they_are_gray_or_all_zeros(
    color: tuple[int, int, int], size: tuple[int, int]
) -> None:
    plain = Image.new("RGB", size, color)
    half = half_plain(grainy(*size), color)
    for image in (plain, half):
        for options in (*KINDS, {"progressive": True}):
            assert reason(encoded(image, "JPEG", **options)) is None, options
    for format_ in ("WEBP", "AVIF", "HEIF", "PNG"):
        assert reason(encoded(half, format_)) is None
    assert reason(encoded(half, "WEBP", lossless=True, method=0)) is None


def test_what_follows_a_jpeg_and_stands_between_its_parts_does_no_harm() -> None:
    data = encoded(grainy(), "JPEG", exif=exif(6))
    right = decode(data)
    for name, changed in with_additions(data).items():
        assert np.array_equal(decode(changed).pixels[0], right.pixels[0]), name


def test_a_png_whose_pixels_are_not_those_written_is_damaged() -> None:
    image = grainy(200, 150)
    data = encoded(image, "PNG", compress_level=0)  # stored as they are: any change still unpacks
    assert reason(data) is None
    assert reason(with_hole(data, 512)) == Reason.DAMAGED
    assert reason(png_with_half_its_pixels(data)) == Reason.TRUNCATED


@pytest.mark.parametrize(
    ("format_", "options"),
    [("WEBP", {}), ("WEBP", {"lossless": True}), ("HEIF", {}), ("AVIF", {})],
)
def test_holes_and_zeros_for_an_end_in_newer_formats(format_: str, options: dict[str, Any]) -> None:
    data = encoded(grainy(), format_, quality=80, **options)
    assert reason(data) is None
    if not options:  # of a lossless WebP a hole may be a plain area
        assert reason(with_hole(data, 4096)) in BROKEN
    assert reason(filled_up(data)) in BROKEN


@pytest.mark.parametrize("compression", TIFF_COMPRESSIONS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_sector_of_zeros_or_ones_in_a_compressed_tiff_is_damage(
    compression: str, mode: str
) -> None:
    data = encoded(grainy().convert(mode), "TIFF", compression=compression)
    assert reason(data) is None
    for at in range(700, len(data) - 5000, len(data) // 20):
        for lost in (bytes(512), b"\xff" * 512, bytes(4096), b"\xff" * 4096):
            assert reason(data[:at] + lost + data[at + len(lost) :]) in BROKEN, at


@pytest.mark.parametrize("compression", TIFF_COMPRESSIONS)
@pytest.mark.parametrize("color", [0, 128, 255])
def test_a_plain_picture_is_whole_in_a_compressed_tiff(compression: str, color: int) -> None:
    for size in ((1200, 900), (1, 3000), (17, 2000)):
        for mode in ("L", "RGB"):
            plain = Image.new(mode, size, (color,) * len(mode))
            assert reason(encoded(plain, "TIFF", compression=compression)) is None
    half = half_plain(grainy(), (color,) * 3)
    assert reason(encoded(half, "TIFF", compression=compression)) is None


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
def test_an_erased_sector_of_a_heic_or_avif_is_damage(format_: str) -> None:
    data = encoded(grainy(), format_, quality=80)
    for at in range(1000, len(data) - 600, len(data) // 8):
        assert reason(data[:at] + b"\xff" * 512 + data[at + 512 :]) == Reason.DAMAGED, at


UNSEEN = {
    "a bit of a JPEG": flipped(encoded(grainy(), "JPEG")),
    "a JPEG's last scan": cut_in_its_last_scan(encoded(grainy(), "JPEG", progressive=True)),
    "a lossless WebP": with_hole(encoded(grainy(), "WEBP", lossless=True), 512),
    "other data in a HEIC": with_another_file(encoded(grainy(), "HEIF")),
    "other data in PackBits": with_another_file(encoded(grainy(), "TIFF", compression="packbits")),
    "a TIFF": with_hole(encoded(grainy(), "TIFF"), 4096),
    "a BMP": with_hole(encoded(grainy(), "BMP"), 4096),
}


@pytest.mark.parametrize("data", UNSEEN.values(), ids=UNSEEN)
def test_damage_that_is_not_seen(data: bytes) -> None:
    """Not wanted, but so: where it changes, docs/promises.md does."""
    assert reason(data) is None
