"""Whatever bits a value has, white is white; what is not known is not guessed."""

from __future__ import annotations

import io

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from makers.depth import (
    BRANDS,
    COMPRESSIONS,
    FEWER_BITS,
    INVERTED,
    READ,
    SHADES,
    SIGNED,
    TRANSPARENT,
    UNREAD,
    UNREAD_SHADES,
    as_video,
    bmp_with_alpha,
    inverted,
    other_kinds,
    premultiplied,
    tiff,
    with_brand,
    with_transparent_value,
)
from pictures import encoded, png, smooth
from verger.photos.decode import Framing, decode
from verger.photos.reasons import Reason, Reject

pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")

RIGHT = decode(encoded(Image.fromarray(SHADES), "PNG")).pixels[0]


@pytest.mark.parametrize("data", [*READ.values(), *FEWER_BITS.values()], ids=[*READ, *FEWER_BITS])
def test_shades_of_a_tiff_have_the_pixels_of_the_same_in_eight_bits(data: bytes) -> None:
    assert np.array_equal(decode(data).pixels[0], RIGHT)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_inverted_shades_in_compressed_tiffs(compression: str) -> None:
    for values in INVERTED:
        assert np.array_equal(decode(inverted(values, compression)).pixels[0], RIGHT)


def test_seven_bits_beside_a_sign_reach_white() -> None:
    white = tiff(np.full((90, 120), 127, np.int8).tobytes(), (8,), SIGNED)
    assert (decode(white).pixels[0] == 255).all()


@pytest.mark.parametrize(
    "data", [*UNREAD.values(), *UNREAD_SHADES.values()], ids=[*UNREAD, *UNREAD_SHADES]
)
def test_whole_tiffs_of_a_kind_that_is_not_read_are_unsupported(data: bytes) -> None:
    assert rejected(data).reason == Reason.UNSUPPORTED
    assert rejected(data[: len(data) // 2]).reason == Reason.TRUNCATED


def rejected(data: bytes) -> Reject:
    with pytest.raises(Reject) as caught:
        decode(data)
    return caught.value


def test_whole_files_of_other_kinds_that_are_not_read() -> None:
    for name, data in other_kinds().items():
        assert rejected(data).reason == Reason.UNSUPPORTED, name


@pytest.mark.parametrize("brand", BRANDS)
@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
def test_a_heif_is_known_by_any_of_its_brands(format_: str, brand: bytes) -> None:
    data = encoded(smooth(120, 90), format_)
    right = decode(data).pixels[0]
    assert np.array_equal(decode(with_brand(data, brand)).pixels[0], right)
    if format_ == "HEIF":
        assert np.array_equal(decode(with_brand(data, brand, alone=True)).pixels[0], right)
    assert rejected(as_video(data)).reason == Reason.NOT_AN_IMAGE


@pytest.mark.parametrize(("bits", "kind", "row", "transparent", "clear"), TRANSPARENT)
def test_the_transparent_value_of_a_png_is_of_its_own_depth(
    bits: int, kind: int, row: bytes, transparent: bytes, clear: bool
) -> None:
    pixels = decode(with_transparent_value(bits, kind, row, transparent)).pixels[0]
    assert (pixels == 255).all() == clear
    opaque = decode(png(50, 40, bits, kind, row)).pixels[0]
    assert clear or np.array_equal(pixels, opaque)


@pytest.mark.parametrize(("data", "color"), premultiplied().values(), ids=premultiplied())
def test_colours_multiplied_by_their_alpha(data: bytes, color: tuple[int, int, int]) -> None:
    assert np.abs(decode(data).pixels[0].astype(int) - color).max() <= 2


def test_the_depth_of_a_heic_does_not_matter() -> None:
    image = smooth(120, 90)
    deep = (np.asarray(image).astype(np.uint16) * 257).astype("<u2").tobytes()
    heif = pillow_heif.from_bytes("RGB;16", image.size, deep)
    out = io.BytesIO()
    heif.save(out, quality=95)
    difference = (
        decode(out.getvalue()).pixels[0].astype(int) - decode(encoded(image, "PNG")).pixels[0]
    )
    assert np.abs(difference).max() <= 10


@pytest.mark.parametrize(("alpha", "shown"), [(0, 1.0), (255, 1.0), (128, 0.5)])
def test_a_bmp_whose_alpha_is_all_zero_has_none(alpha: int, shown: float) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    pixels = np.dstack([colours, np.full((8, 8), alpha, np.uint8)])
    if alpha == 128:
        pixels[0, 0, 3] = 0  # alpha that says something
    seen = decode(bmp_with_alpha(pixels), Framing(8, (8,))).pixels[0].astype(float)
    expected = colours * shown + 255 * (1 - shown)
    if alpha == 128:
        expected[0, 0] = 255
    assert np.abs(seen - expected).max() <= 2
