"""Whatever colours a file declares, the network sees those of sRGB."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from makers.colours import (
    CODE_POINTS,
    LOSSLESS,
    LOSSY,
    SAME,
    SPACES,
    SRGB,
    WITH_EXIF,
    adobe_by_exif,
    adobe_exif,
    icc,
    in_space,
    ink,
    png_chunks,
    png_that_says_srgb,
    red_ink,
    seen,
    with_code_points,
)
from pictures import encoded, png
from verger.photos import colour
from verger.photos.decode import decode

pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")


def assert_seen(data: bytes, mean: float, most: int) -> None:
    """The photo is that of `seen`, in the pixels and in the thumbnail."""
    photo, right = decode(data), decode(encoded(seen(), "PNG"))
    difference = np.abs(photo.pixels[0].astype(int) - right.pixels[0])
    assert difference.mean() <= mean
    assert difference.max() <= most
    small, right_small = (Image.open(io.BytesIO(p.thumbnail)) for p in (photo, right))
    assert np.abs(np.asarray(small).astype(int) - np.asarray(right_small)).mean() <= mean + 1.5


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("format_", "options"), LOSSLESS + LOSSY)
def test_an_icc_profile_counts_in_every_format(
    space: str, format_: str, options: dict[str, Any]
) -> None:
    stored = in_space(seen(), space)
    data = encoded(stored, format_, icc_profile=icc(space), **options)
    lossy = (format_, options) in LOSSY
    assert_seen(data, mean=1.5 if lossy else 0.5, most=16 if lossy else 3)


def test_alpha_and_palettes_have_colours_too() -> None:
    stored = in_space(seen(), "Display P3")
    clear = stored.copy()
    clear.putalpha(255)
    assert_seen(encoded(clear, "PNG", icc_profile=icc("Display P3")), mean=0.5, most=3)
    few = in_space(Image.new("RGB", (50, 50), (220, 60, 40)), "Display P3").quantize(4)
    photo = decode(encoded(few, "PNG", icc_profile=icc("Display P3")))
    assert np.abs(photo.pixels[0].astype(int) - (220, 60, 40)).max() <= 1
    faint = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    assert (decode(encoded(faint, "PNG", icc_profile=icc("ProPhoto"))).pixels[0] == 255).all()


def test_shades_go_by_the_curve_of_a_gray_or_a_colour_profile() -> None:
    shade = Image.new("L", (60, 60), 100)
    right = round(255 * float(1.055 * (100 / 255) ** (1.8 / 2.4) - 0.055))
    for profile in (icc("ProPhoto", pixels=b"GRAY"), icc("ProPhoto")):
        for image in (shade, Image.merge("LA", (shade, Image.new("L", (60, 60), 255)))):
            pixels = decode(encoded(image, "PNG", icc_profile=profile)).pixels[0]
            assert np.abs(pixels.astype(int) - right).max() <= 1


@pytest.mark.slow
def test_a_large_photo_is_converted_at_a_fraction() -> None:
    large = seen().resize((2400, 1920), Image.Resampling.BICUBIC)
    data = encoded(in_space(large, "Display P3"), "PNG", icc_profile=icc("Display P3"))
    photo, right = decode(data), decode(encoded(large, "PNG"))
    assert (photo.width, photo.height) == (2400, 1920)
    assert np.abs(photo.pixels[0].astype(int) - right.pixels[0]).max() <= 3


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_cmyk_goes_by_its_profile(format_: str) -> None:
    image = Image.new("CMYK", (50, 50), (255, 0, 0, 0))
    pixels = decode(encoded(image, format_, icc_profile=ink())).pixels[0]
    assert np.abs(pixels.astype(int) - red_ink()).max() <= 3
    naive = decode(encoded(image, format_)).pixels[0][100, 100].astype(int)
    assert naive[0] <= 3


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
@pytest.mark.parametrize(("points", "space"), CODE_POINTS)
def test_code_points_of_heic_and_avif(
    format_: str, points: tuple[int, int], space: str | None
) -> None:
    assert_seen(with_code_points(format_, points, space), mean=2.5, most=16)


@pytest.mark.parametrize("data", png_chunks().values(), ids=png_chunks())
def test_chunks_of_a_png(data: bytes) -> None:
    assert_seen(data, mean=0.5, most=3)


def test_a_chunk_that_says_srgb_comes_before_others() -> None:
    assert_seen(png_that_says_srgb(), mean=0, most=0)


@pytest.mark.parametrize(("format_", "options"), WITH_EXIF)
def test_exif_that_says_adobe_rgb(format_: str, options: dict[str, Any]) -> None:
    data = adobe_by_exif(format_, options)
    lossy = (format_, options) in LOSSY
    assert_seen(data, mean=2.5 if lossy else 0.5, most=16 if lossy else 3)
    assert_seen(encoded(seen(), "PNG", exif=adobe_exif(1, "R98")), mean=0, most=0)


@pytest.mark.parametrize("options", SAME)
def test_srgb_and_profiles_that_cannot_be_meant_change_no_bit(options: dict[str, Any]) -> None:
    for format_ in ("PNG", "JPEG"):
        plain, with_it = encoded(seen(), format_), encoded(seen(), format_, **options)
        assert np.array_equal(decode(with_it).pixels[0], decode(plain).pixels[0])
        assert decode(with_it).thumbnail == decode(plain).thumbnail


@pytest.mark.slow
def test_mutated_profiles_never_end_the_process() -> None:
    rng = np.random.default_rng(5)
    sources = [icc("Display P3"), icc("Adobe RGB"), ink(), SRGB]
    for i in range(300):
        profile = bytearray(sources[i % len(sources)])
        for _ in range(rng.integers(1, 9)):
            profile[rng.integers(min(len(profile), 400))] = rng.integers(256)
        image = Image.new("CMYK" if i % 4 == 2 else "RGB", (20, 20), 90)
        decode(encoded(image, "TIFF", icc_profile=bytes(profile)))


@pytest.mark.slow
def test_profiles_are_remembered_up_to_a_bound_and_huge_ones_left_aside() -> None:
    for i in range(100):
        profile = icc("Display P3") + bytes(i)
        colour.in_srgb(seen(), colour.Declared(profile, gray=False), 256)
    assert len(colour._conversions) <= 32
    huge = icc("Display P3") + bytes(colour.MOST_BYTES)
    image = seen()
    assert colour.in_srgb(image, colour.Declared(huge, gray=False), 256) is image


def test_signals_of_hdr_have_paper_white_at_white() -> None:
    for transfer, code in ((16, 0.5807), (18, 0.75)):  # 203 nits, by BT.2408
        profile = colour.profile_of_code_points(9, transfer)
        assert profile is not None
        level = round(code * 255)
        image = Image.new("RGB", (9, 9), (level, level, level))
        shown = np.asarray(colour.in_srgb(image, colour.Declared(profile, gray=False), 256))
        assert shown.min() >= 250


def test_chunks_that_mean_nothing_are_ignored() -> None:
    row = bytes((120, 130, 140)) * 40
    right = decode(png(40, 40, 8, 2, row)).pixels[0]
    for chunk in (
        (b"gAMA", struct.pack(">I", 0)), (b"gAMA", struct.pack(">I", 2**31)),
        (b"cHRM", bytes(32)), (b"cHRM", b"\xff" * 32), (b"cICP", b"\xff\xff\0\1"),
    ):  # fmt: skip
        assert np.array_equal(decode(png(40, 40, 8, 2, row, chunk)).pixels[0], right)
