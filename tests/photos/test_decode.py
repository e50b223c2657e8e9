"""Whatever a photo file holds, decoding gives the same RGB pixels as a person sees."""

from __future__ import annotations

import io
import resource
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from makers import bombs
from makers.modes import (
    CORRUPT_EXIF,
    DEEP_PNGS,
    FORMATS,
    MODES,
    NO_IMAGES,
    NOT_LISTED,
    WHITE,
    WITH_FRAMES,
    big_endian_tiff,
    heic_item_that_is_no_text,
    not_rgb,
    of_several_frames,
    scrambled_png,
    transparent_palettes,
)
from pictures import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    corners,
    encoded,
    encoded_as,
    exif,
    levels,
    smooth,
    stored,
)
from verger.photos.decode import Framing, Photo, decode
from verger.photos.reasons import Reason, Reject
from verger.photos.references import EXTENSIONS

if TYPE_CHECKING:
    import numpy.typing as npt

# As in a worker, where `decode` has set it; here pytest puts its own filters in their place.
pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")

SIZE = Framing().size


def rejected(data: bytes, **options: Any) -> Reject:
    with pytest.raises(Reject) as caught:
        decode(data, **options)
    return caught.value


def shown(photo: Photo) -> Image.Image:
    image = Image.open(io.BytesIO(photo.thumbnail))
    assert image.format == "JPEG"
    assert image.mode == "RGB"
    return image


def assert_corners(pixels: npt.NDArray[np.uint8], tolerance: int = 12) -> None:
    """Red, green / blue, yellow, seen well inside each quarter."""
    height, width, _ = pixels.shape
    for (y, x), color in zip(
        ((1, 1), (1, 3), (3, 1), (3, 3)), (RED, GREEN, BLUE, YELLOW), strict=True
    ):
        at_y, at_x = y * height // 4, x * width // 4
        found = levels(pixels[at_y - 3 : at_y + 4, at_x - 3 : at_x + 4])
        assert np.abs(np.subtract(found, color)).max() <= tolerance, ((y, x), found)


def assert_plain(data: bytes, color: tuple[int, int, int], tolerance: int = 1) -> None:
    """One colour everywhere, in the pixels and in the thumbnail."""
    photo = decode(data)
    assert photo.pixels[0].shape == (SIZE, SIZE, 3)
    assert np.abs(photo.pixels[0].astype(int) - color).max() <= tolerance, levels(photo.pixels[0])
    small = np.asarray(shown(photo)).astype(int)
    assert np.abs(small - color).max() <= tolerance + 3


# Formats ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_format_that_is_listed_is_decoded(extension: str) -> None:
    photo = decode(encoded_as(corners(120, 80), extension))
    assert photo.pixels[0].shape == (SIZE, SIZE, 3)
    assert photo.pixels[0].dtype == np.uint8
    assert photo.pixels[0].flags.c_contiguous
    assert (photo.width, photo.height) == (120, 80)
    assert_corners(photo.pixels[0])
    assert_corners(np.asarray(shown(photo)))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(format_: str, orientation: int) -> None:
    seen = corners(160, 96)
    photo = decode(encoded(stored(seen, orientation), format_, exif=exif(orientation)))
    assert (photo.width, photo.height) == (160, 96)
    assert_corners(photo.pixels[0])
    thumbnail = shown(photo)
    assert thumbnail.size == (96, 58)
    assert_corners(np.asarray(thumbnail))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_oriented_photo_has_the_pixels_of_one_stored_upright(orientation: int) -> None:
    seen = smooth(301, 200)
    upright = decode(encoded(seen, "PNG")).pixels[0]
    turned = decode(encoded(stored(seen, orientation), "PNG", exif=exif(orientation))).pixels[0]
    # Rows are filtered before columns: turned, the rounding differs by a step.
    assert np.abs(turned.astype(int) - upright).max() <= 2


def test_heic_orientation_stands_twice_in_a_phone_s_file_and_counts_once() -> None:
    data = encoded(stored(corners(160, 96), 6), "HEIF", exif=exif(6))
    assert b"irot" in data
    assert exif(6).removeprefix(b"Exif\0\0") in data
    assert_corners(decode(data).pixels[0])


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_none(orientation: int) -> None:
    assert_corners(decode(encoded(corners(160, 96), "JPEG", exif=exif(orientation))).pixels[0])


@pytest.mark.parametrize("block", CORRUPT_EXIF.values(), ids=CORRUPT_EXIF)
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_corrupt_exif_costs_nothing(format_: str, block: bytes) -> None:
    assert_corners(decode(encoded(corners(160, 96), format_, exif=block)).pixels[0])


# Colours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "formats", "color"),
    MODES,
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_any_mode_becomes_the_rgb_that_a_person_sees(
    image: Image.Image, formats: tuple[str, ...], color: tuple[int, int, int]
) -> None:
    for format_ in formats:
        lossy = format_ in ("AVIF", "HEIF", "WEBP")
        assert_plain(encoded(image, format_), color, tolerance=4 if lossy else 1)


def test_sixteen_bits_keep_their_order_from_black_to_white() -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (256, 1))
    for format_ in ("PNG", "TIFF"):
        row = decode(encoded(Image.fromarray(ramp), format_)).pixels[0][100, :, 0].astype(int)
        assert row[0] == pytest.approx(16, abs=2)  # the crop leaves 16 of 256 columns out
        assert row[-1] == pytest.approx(239, abs=2)
        assert (np.diff(row) >= 0).all()


def test_sixteen_bits_in_colour_and_with_alpha() -> None:
    for data, color in DEEP_PNGS.values():
        assert_plain(data, color)


def test_big_endian_sixteen_bit_tiff() -> None:
    assert_plain(big_endian_tiff(), (128,) * 3)


def test_transparent_palette_entries_are_white() -> None:
    for data, color in transparent_palettes().values():
        assert_plain(data, color)


def test_what_is_transparent_does_not_bleed_into_what_is_not() -> None:
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 200, 400))
    pixels = decode(encoded(image, "PNG")).pixels[0]
    assert pixels[..., 0].min() >= 250  # a dark seam would show in red
    assert levels(pixels[:, :100]) == (255, 0, 0)
    assert levels(pixels[:, -100:]) == WHITE


@pytest.mark.parametrize("format_", WITH_FRAMES)
def test_of_several_frames_the_first_is_taken(format_: str) -> None:
    data = of_several_frames(format_)
    photo = decode(data)
    assert_corners(photo.pixels[0], tolerance=16)
    assert (photo.width, photo.height) == (60, 50)


def test_what_cannot_be_shown_as_rgb_is_unsupported() -> None:
    for data in not_rgb().values():
        assert rejected(data).reason == Reason.UNSUPPORTED


# Geometry -----------------------------------------------------------------------------------------


def slope(width: int, height: int) -> tuple[Image.Image, float]:
    """Red rises to the right and green downwards, straight, about the middle; and how steeply."""
    steepness = 180 / min(width, height)
    x = 127.5 + (np.arange(width) + 0.5 - width / 2) * steepness
    y = 127.5 + (np.arange(height) + 0.5 - height / 2) * steepness
    red, green = np.meshgrid(np.clip(x, 0, 255), np.clip(y, 0, 255))
    image = np.stack([red, green, np.full_like(red, 50)], axis=-1).round().astype(np.uint8)
    return Image.fromarray(image), steepness


@pytest.mark.parametrize(
    ("width", "height"),
    [(640, 480), (480, 640), (100, 100), (256, 256), (333, 517), (1500, 200), (61, 300)],
)
@pytest.mark.parametrize("framing", [Framing(), Framing(160, (160,)), Framing(64, (90,))])
def test_crop_lies_where_resizing_the_whole_and_cropping_puts_it(
    width: int, height: int, framing: Framing
) -> None:
    image, steepness = slope(width, height)
    pixels = decode(encoded(image, "PNG"), framing).pixels[0].astype(float)
    assert pixels.shape == (framing.size, framing.size, 3)
    # Pixel i of the crop lies i + ½ − size / 2 resized pixels from the middle of the photo.
    from_middle = np.arange(framing.size) + 0.5 - framing.size / 2
    expected = 127.5 + from_middle * min(width, height) / framing.views[0] * steepness
    inner = slice(4, -4)  # at the border of a photo that is not cropped, the filter has less to see
    assert np.abs(pixels[..., 0] - expected[None, :])[inner, inner].max() < 1.6
    assert np.abs(pixels[..., 1] - expected[:, None])[inner, inner].max() < 1.6


@pytest.mark.parametrize(("width", "height"), [(640, 480), (300, 431), (97, 64)])
def test_crop_is_that_of_resizing_the_whole(width: int, height: int) -> None:
    image = smooth(width, height)
    ratio = 256 / min(width, height)
    resized = image.resize((round(width * ratio), round(height * ratio)), Image.Resampling.BILINEAR)
    left, top = (resized.width - 224) / 2, (resized.height - 224) / 2
    expected = resized.crop((round(left), round(top), round(left) + 224, round(top) + 224))
    difference = decode(encoded(image, "PNG")).pixels[0].astype(int) - np.asarray(expected)
    assert np.abs(difference).max() <= 6  # half a pixel of rounding in the size and the corner
    assert np.abs(difference).mean() < 2


@pytest.mark.parametrize(("width", "height"), [(900, 500), (500, 900)])
def test_a_circle_stays_round(width: int, height: int) -> None:
    y, x = np.mgrid[0:height, 0:width]
    disc = np.hypot(x + 0.5 - width / 2, y + 0.5 - height / 2) < 150
    image = Image.fromarray(np.where(disc, 0, 255).astype(np.uint8))
    dark = decode(encoded(image, "JPEG")).pixels[0][..., 0] < 128
    wide, high = dark.any(axis=0).sum(), dark.any(axis=1).sum()
    assert abs(wide - high) <= 1
    assert wide == pytest.approx(300 * 256 / 500, abs=2)


def test_a_large_jpeg_decoded_at_a_fraction_gives_the_same_picture() -> None:
    image = smooth(2600, 1800)
    large = decode(encoded(image, "JPEG", quality=95))
    exact = decode(encoded(image, "BMP"))
    assert (large.width, large.height) == (2600, 1800)
    difference = np.abs(large.pixels[0].astype(int) - exact.pixels[0])
    assert difference.mean() < 1.5
    assert difference.max() <= 8
    # And detail that is still to be seen in the crop: waves 3.4 of its pixels long.
    y, x = np.mgrid[0:1800, 0:2600] * (2 * np.pi / 24)
    waves = Image.fromarray((127.5 + 100 * np.sin(x) * np.sin(y)).astype(np.uint8))
    fraction = decode(encoded(waves, "JPEG", quality=95)).pixels[0].astype(int)
    assert np.abs(fraction - decode(encoded(waves, "BMP")).pixels[0]).mean() < 4


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), (96, 72)),
        ((480, 640), (72, 96)),
        ((96, 96), (96, 96)),
        ((97, 40), (96, 40)),
        ((50, 30), (50, 30)),
        ((1, 1), (1, 1)),
        ((5000, 1), (96, 1)),
        ((1, 5000), (1, 96)),
        ((3000, 2000), (96, 64)),
    ],
)
def test_thumbnails_keep_the_aspect_and_are_never_enlarged(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    for format_ in ("PNG", "JPEG"):
        photo = decode(encoded(Image.new("RGB", size, BLUE), format_))
        assert (photo.width, photo.height) == size
        assert photo.pixels[0].shape == (SIZE, SIZE, 3)
        assert np.abs(photo.pixels[0].astype(int) - BLUE).max() <= 3
        assert shown(photo).size == expected


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "HEIF"])
def test_without_a_thumbnail_the_pixels_are_the_same(format_: str) -> None:
    data = encoded(smooth(320, 240), format_, exif=exif(6))
    with_it, without = decode(data), decode(data, thumbnail=False)
    assert np.array_equal(with_it.pixels[0], without.pixels[0])
    assert (with_it.width, with_it.height) == (without.width, without.height)
    assert without.thumbnail == b""


def test_a_thumbnail_shows_the_whole_photo_and_is_small() -> None:
    image = corners(1200, 300)  # the crop sees the middle quarter alone
    photo = decode(encoded(image, "PNG"))
    small = shown(photo)
    assert small.size == (96, 24)
    expected = np.asarray(image.resize((96, 24), Image.Resampling.BOX)).astype(int)
    assert np.abs(np.asarray(small) - expected).mean() < 12
    assert len(photo.thumbnail) < 10_000


# Hostile bytes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_cut_at_every_tenth_is_truncated(format_: str) -> None:
    data = encoded(smooth(320, 240), format_)
    for tenth in range(1, 10):
        assert rejected(data[: len(data) * tenth // 10]).reason == Reason.TRUNCATED, tenth
    decode(data)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "jpeg", "packbits"])
def test_a_compressed_tiff_cut_is_truncated(compression: str) -> None:
    data = encoded(smooth(320, 240), "TIFF", compression=compression)
    for tenth in range(1, 10):
        assert rejected(data[: len(data) * tenth // 10]).reason == Reason.TRUNCATED, tenth


def test_a_progressive_jpeg_and_an_animated_gif_cut_are_truncated() -> None:
    progressive = encoded(smooth(320, 240), "JPEG", progressive=True)
    for tenth in range(1, 10):
        assert rejected(progressive[: len(progressive) * tenth // 10]).reason == Reason.TRUNCATED
    # Of an animation the first frame is enough; where it is whole, the photo is.
    frames = [smooth(200, 150, seed) for seed in range(1, 4)]
    animated = encoded(smooth(200, 150), "GIF", save_all=True, append_images=frames)
    assert rejected(animated[: len(animated) // 10]).reason == Reason.TRUNCATED
    decode(animated[: len(animated) * 6 // 10])


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 8, 11, 12, 16, 30])
def test_the_first_few_bytes_alone_are_rejected(format_: str, length: int) -> None:
    reject = rejected(encoded(corners(64, 64), format_)[:length])
    assert reject.reason in (Reason.TRUNCATED, Reason.NOT_AN_IMAGE, Reason.DAMAGED)
    assert length < 8 or reject.reason == Reason.TRUNCATED


def test_a_jpeg_whose_tail_is_missing_is_truncated_though_most_of_it_shows() -> None:
    data = encoded(smooth(320, 240), "JPEG")
    assert rejected(data[:-40]).reason == Reason.TRUNCATED


def test_no_byte_is_empty_and_a_text_is_no_image() -> None:
    assert rejected(b"").reason == Reason.EMPTY
    for text in NO_IMAGES.values():
        assert rejected(text).reason == Reason.NOT_AN_IMAGE


def test_formats_that_are_not_listed_are_not_opened() -> None:
    for format_ in NOT_LISTED:
        assert rejected(encoded(corners(32, 32), format_)).reason == Reason.NOT_AN_IMAGE


def test_a_damaged_file_of_full_length_is_damaged() -> None:
    assert rejected(scrambled_png()).reason == Reason.DAMAGED


def test_a_detail_is_one_short_line() -> None:
    assert Reject(Reason.DAMAGED, "two\nlines \t" + "x" * 500).detail == "two lines " + "x" * 190


@pytest.fixture(scope="module")
def huge() -> bytes:
    data = bombs.huge()
    assert len(data) < 100_000
    return data


def test_too_many_pixels_are_rejected_before_anything_is_allocated(huge: bytes) -> None:
    tracemalloc.start()
    try:
        before = high_water()
        reject = rejected(huge)
        assert high_water() - before < 20_000_000  # Pillow's pixels are not seen by tracemalloc
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert reject.reason == Reason.TOO_LARGE
    assert "20000 × 20000" in reject.detail
    assert "--max-pixels" in reject.detail


def high_water() -> int:
    """The most memory that this process ever held, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.mark.parametrize("format_", FORMATS)
def test_the_limit_on_pixels_is_exact(format_: str) -> None:
    data = encoded(corners(64, 50), format_)
    decode(data, max_pixels=3200)
    assert rejected(data, max_pixels=3199).reason == Reason.TOO_LARGE


def test_a_decompression_bomb_in_a_png_s_text_is_survived() -> None:
    assert rejected(bombs.text_that_unfolds()).reason == Reason.DAMAGED


@pytest.mark.parametrize("byte", [0x80, 0x83, 0xFF])
def test_a_heic_item_whose_type_is_no_text_is_rejected_and_the_process_lives(byte: int) -> None:
    reject = rejected(heic_item_that_is_no_text(byte))
    assert reject.reason == Reason.DAMAGED


@pytest.mark.parametrize("format_", FORMATS)
def test_mutated_files_give_a_photo_or_a_reject_and_nothing_else(format_: str) -> None:
    rng = np.random.default_rng(FORMATS.index(format_))
    sources = [
        encoded(smooth(60, 44), format_),
        encoded(corners(33, 70), format_, **({"exif": exif(6)} if format_ != "BMP" else {})),
    ]
    kept = 0
    for _ in range(60):
        data = bytearray(sources[rng.integers(2)])
        # Half of the blows fall on the first bytes, where the structure is.
        for _ in range(rng.integers(1, 9)):
            reach = len(data) if rng.random() < 0.5 else min(len(data), 200)
            data[rng.integers(reach)] = rng.integers(256)
        if rng.random() < 0.3:
            del data[rng.integers(len(data)) :]
        if rng.random() < 0.2:
            at = rng.integers(len(data) + 1)
            data[at:at] = rng.bytes(int(rng.integers(1, 40)))
        try:
            photo = decode(bytes(data), max_pixels=1_000_000)
        except Reject:
            continue
        kept += 1
        assert photo.pixels[0].shape == (SIZE, SIZE, 3)
        assert photo.pixels[0].dtype == np.uint8
        assert 0 < photo.width * photo.height <= 1_000_000
        assert max(shown(photo).size) <= 96
    assert kept < 60


def test_reasons_are_a_closed_set_and_each_has_its_meaning() -> None:
    assert {reason.value for reason in Reason} == {
        "empty", "not_an_image", "truncated", "damaged", "too_large", "unsupported", "unreadable",
        "unavailable", "bad_name", "left_out",
    }  # fmt: skip
    assert len({reason.meaning for reason in Reason}) == len(Reason)
