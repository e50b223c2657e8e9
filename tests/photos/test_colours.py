"""Whatever colours a file declares, the network sees those of sRGB."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from pictures import encoded, png, smooth
from verger.photos import colour
from verger.photos.decode import decode

pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
D65 = (0.3127, 0.3290)
D50 = (0.3457, 0.3585)
PRIMARIES = {
    "Display P3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    "Adobe RGB": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65),
    "ProPhoto": ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), D50),
}
GAMMA = {"Display P3": None, "Adobe RGB": 2.2, "ProPhoto": 1.8}
SPACES = tuple(PRIMARIES)


def light(signal: np.ndarray, gamma: float | None) -> np.ndarray:
    if gamma:
        return signal**gamma
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def columns(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """XYZ of the primaries, by the book (Lindbloom), adapted to D50 as ICC has it."""
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    scaled = xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
    cone = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    target = np.array([0.9642, 1, 0.8249])
    scale = np.diag((cone @ target) / (cone @ xyz[:, 3]))
    return np.asarray(np.linalg.inv(cone) @ scale @ cone @ scaled)


def icc(space: str, kind: bytes = b"mntr", pixels: bytes = b"RGB ") -> bytes:
    """A profile of version 2, written here apart from the one in the code."""
    matrix, gamma = columns(PRIMARIES[space]), GAMMA[space]
    if gamma:
        curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    else:
        steps = (light(np.linspace(0, 1, 1024), None) * 65535).round().astype(">u2").tobytes()
        curve = b"curv\0\0\0\0" + struct.pack(">I", 1024) + steps
    if pixels == b"GRAY":
        tags = [(b"wtpt", xyz((0.9642, 1, 0.8249))), (b"kTRC", curve)]
    else:
        tags = [(b"wtpt", xyz((0.9642, 1, 0.8249))),
                *((name, xyz(matrix[:, i])) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))),
                *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC"))]  # fmt: skip
    at, table, body = 132 + 12 * len(tags), b"", b""
    for name, value in tags:
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI", at + len(body), 0x02100000) + kind + pixels + b"XYZ "
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + xyz((0.9642, 1, 0.8249))[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def xyz(values: Any) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def seen() -> Image.Image:
    """Colours of sRGB that every space here holds."""
    return smooth(300, 240).point(lambda level: 70 + level * 130 // 255)


def in_space(image: Image.Image, space: str) -> Image.Image:
    """The numbers by which a file of that space holds the same colours."""
    linear = light(np.asarray(image) / 255, None)
    to = np.linalg.inv(columns(PRIMARIES[space])) @ columns(
        ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
    )
    mixed = np.clip(linear @ to.T, 0, 1)
    gamma = GAMMA[space]
    if gamma:
        signal = mixed ** (1 / gamma)
    else:
        signal = np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055)
    return Image.fromarray((signal * 255).round().astype(np.uint8))


def assert_seen(data: bytes, mean: float, most: int) -> None:
    """The photo is that of `seen`, in the pixels and in the thumbnail."""
    photo, right = decode(data), decode(encoded(seen(), "PNG"))
    difference = np.abs(photo.pixels.astype(int) - right.pixels)
    assert difference.mean() <= mean
    assert difference.max() <= most
    small, right_small = (Image.open(io.BytesIO(p.thumbnail)) for p in (photo, right))
    assert np.abs(np.asarray(small).astype(int) - np.asarray(right_small)).mean() <= mean + 1.5


LOSSLESS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True}),
]  # fmt: skip
LOSSY: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {"quality": 97, "subsampling": 0}), ("AVIF", {"quality": 95, "subsampling": "4:4:4"}),
    ("HEIF", {"quality": 95, "chroma": 444}),
]  # fmt: skip


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
    assert np.abs(photo.pixels.astype(int) - (220, 60, 40)).max() <= 1
    faint = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    assert (decode(encoded(faint, "PNG", icc_profile=icc("ProPhoto"))).pixels == 255).all()


def test_shades_go_by_the_curve_of_a_gray_or_a_colour_profile() -> None:
    shade = Image.new("L", (60, 60), 100)
    right = round(255 * float(1.055 * (100 / 255) ** (1.8 / 2.4) - 0.055))
    for profile in (icc("ProPhoto", pixels=b"GRAY"), icc("ProPhoto")):
        for image in (shade, Image.merge("LA", (shade, Image.new("L", (60, 60), 255)))):
            pixels = decode(encoded(image, "PNG", icc_profile=profile)).pixels
            assert np.abs(pixels.astype(int) - right).max() <= 1


def test_a_large_photo_is_converted_at_a_fraction() -> None:
    large = seen().resize((2400, 1920), Image.Resampling.BICUBIC)
    data = encoded(in_space(large, "Display P3"), "PNG", icc_profile=icc("Display P3"))
    photo, right = decode(data), decode(encoded(large, "PNG"))
    assert (photo.width, photo.height) == (2400, 1920)
    assert np.abs(photo.pixels.astype(int) - right.pixels).max() <= 3


def ink(levels: tuple[int, int, int]) -> bytes:
    """A profile of CMYK whose table has one colour for all that is printed, paper for the rest."""
    grid = 2
    lab = np.array([140, 178, 158], np.uint8)  # a red, in eight bits
    table = np.tile(lab, (grid**4, 1))
    table[0] = (255, 128, 128)
    mft1 = b"mft1\0\0\0\0" + bytes((4, 3, grid, 0)) + b"".join(
        struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9)
    ) + bytes(range(256)) * 4 + table.tobytes() + bytes(range(256)) * 3  # fmt: skip
    tags = [(b"wtpt", xyz((0.9642, 1, 0.8249))), (b"A2B0", mft1)]
    at, entries, body = 132 + 24, b"", b""
    for name, value in tags:
        entries += name + struct.pack(">II", at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI", at + len(body), 0x02100000) + b"prtrCMYKLab " + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + xyz((0.9642, 1, 0.8249))[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", 2) + entries + body


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_cmyk_goes_by_its_profile(format_: str) -> None:
    image = Image.new("CMYK", (50, 50), (255, 0, 0, 0))
    profile = ink((0, 0, 0))
    pixels = decode(encoded(image, format_, icc_profile=profile)).pixels
    red, green, blue = pixels[100, 100].astype(int)
    assert red > green + 30  # naively, all of it is cyan: no red at all
    assert red > blue
    naive = decode(encoded(image, format_)).pixels[100, 100].astype(int)
    assert naive[0] <= 3


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
@pytest.mark.parametrize(
    ("points", "space"), [((12, 13), "Display P3"), ((2, 2), None), ((1, 1), None)]
)
def test_code_points_of_heic_and_avif(
    format_: str, points: tuple[int, int], space: str | None
) -> None:
    stored = in_space(seen(), space) if space else seen()
    options = {"quality": 95, "subsampling": "4:4:4"} if format_ == "AVIF" else {"quality": 95}
    data = bytearray(encoded(stored, format_, **options))
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", *points)
    assert_seen(bytes(data), mean=2.5, most=16)


def with_chunks(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    data = encoded(image, "PNG")
    made = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return data[:33] + made + data[33:]


def chrm(space: str) -> tuple[bytes, bytes]:
    red, green, blue, white = PRIMARIES[space]
    numbers = [round(v * 100_000) for pair in (white, red, green, blue) for v in pair]
    return b"cHRM", struct.pack(">8I", *numbers)


def test_chunks_of_a_png() -> None:
    p3, adobe = in_space(seen(), "Display P3"), in_space(seen(), "Adobe RGB")
    assert_seen(with_chunks(p3, (b"cICP", bytes((12, 13, 0, 1)))), mean=0.5, most=3)
    gamma = (b"gAMA", struct.pack(">I", 45_455))
    assert_seen(with_chunks(p3, gamma, chrm("Display P3")), mean=0.5, most=3)
    assert_seen(with_chunks(seen(), (b"sRGB", b"\0"), gamma, chrm("ProPhoto")), 0, 0)
    wide = (b"gAMA", struct.pack(">I", round(100_000 / 1.8)))
    assert_seen(with_chunks(in_space(seen(), "ProPhoto"), wide, chrm("ProPhoto")), 0.5, 3)
    # Code points come first, then a profile, and only then gamma.
    data = encoded(adobe, "PNG", icc_profile=icc("Adobe RGB"))
    assert_seen(data[:33] + with_chunks(adobe, wide)[33:49] + data[33:], mean=0.5, most=3)
    data = encoded(p3, "PNG", icc_profile=icc("Adobe RGB"))
    code = with_chunks(p3, (b"cICP", bytes((12, 13, 0, 1))))[33:49]
    assert_seen(data[:33] + code + data[33:], mean=0.5, most=3)


def adobe_exif(space: int = 0xFFFF, index: str = "R03") -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = space
    exif.get_ifd(0x8769)[0xA005] = {1: index}
    return exif.tobytes()


@pytest.mark.parametrize(("format_", "options"), [LOSSLESS[0], LOSSLESS[3], *LOSSY])
def test_exif_that_says_adobe_rgb(format_: str, options: dict[str, Any]) -> None:
    stored = in_space(seen(), "Adobe RGB")
    data = encoded(stored, format_, exif=adobe_exif(), **options)
    if b"colrnclx" in data:  # with colours of its own, EXIF does not count
        at = data.index(b"colrnclx") + 8
        data = data[:at] + b"\0\2\0\2" + data[at + 4 :]
    lossy = (format_, options) in LOSSY
    assert_seen(data, mean=2.5 if lossy else 0.5, most=16 if lossy else 3)
    assert_seen(encoded(seen(), "PNG", exif=adobe_exif(1, "R98")), mean=0, most=0)


SAME = [
    {"icc_profile": SRGB}, {"icc_profile": b"nonsense"}, {"icc_profile": icc("ProPhoto")[:250]},
    {"icc_profile": icc("ProPhoto", kind=b"link")}, {"icc_profile": icc("ProPhoto", kind=b"abst")},
    {"icc_profile": icc("ProPhoto", pixels=b"GRAY")}, {"icc_profile": ink((0, 0, 0))},
    {"icc_profile": icc("ProPhoto", pixels=b"Lab ")},
    {"icc_profile": icc("ProPhoto", pixels=b"XYZ ")},
]  # fmt: skip


@pytest.mark.parametrize("options", SAME)
def test_srgb_and_profiles_that_cannot_be_meant_change_no_bit(options: dict[str, Any]) -> None:
    for format_ in ("PNG", "JPEG"):
        plain, with_it = encoded(seen(), format_), encoded(seen(), format_, **options)
        assert np.array_equal(decode(with_it).pixels, decode(plain).pixels)
        assert decode(with_it).thumbnail == decode(plain).thumbnail


def test_mutated_profiles_never_end_the_process() -> None:
    rng = np.random.default_rng(5)
    sources = [icc("Display P3"), icc("Adobe RGB"), ink((0, 0, 0)), SRGB]
    for i in range(300):
        profile = bytearray(sources[i % len(sources)])
        for _ in range(rng.integers(1, 9)):
            profile[rng.integers(min(len(profile), 400))] = rng.integers(256)
        image = Image.new("CMYK" if i % 4 == 2 else "RGB", (20, 20), 90)
        decode(encoded(image, "TIFF", icc_profile=bytes(profile)))


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
    right = decode(png(40, 40, 8, 2, row)).pixels
    for chunk in (
        (b"gAMA", struct.pack(">I", 0)), (b"gAMA", struct.pack(">I", 2**31)),
        (b"cHRM", bytes(32)), (b"cHRM", b"\xff" * 32), (b"cICP", b"\xff\xff\0\1"),
    ):  # fmt: skip
        assert np.array_equal(decode(png(40, 40, 8, 2, row, chunk)).pixels, right)
