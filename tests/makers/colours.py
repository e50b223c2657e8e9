"""Profiles, code points and chunks that declare colours, written apart from the code's own."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from pictures import encoded, smooth

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
D65 = (0.3127, 0.3290)
D50 = (0.3457, 0.3585)
PRIMARIES = {
    "Display P3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    "Adobe RGB": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65),
    "ProPhoto": ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), D50),
}
_SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
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


# sRGB's curve as phones write it: a formula, not a table.
OF_PHONES = b"para\0\0\0\0" + struct.pack(
    ">HH5i", 3, 0, *(round(v * 65536) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
)


def icc(
    space: str, kind: bytes = b"mntr", pixels: bytes = b"RGB ", curve: bytes | None = None
) -> bytes:
    """A profile of version 2, written here apart from the one in the code."""
    matrix, gamma = columns(PRIMARIES[space]), GAMMA[space]
    if curve:
        pass
    elif gamma:
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
    to = np.linalg.inv(columns(PRIMARIES[space])) @ columns(_SRGB)
    mixed = np.clip(linear @ to.T, 0, 1)
    gamma = GAMMA[space]
    if gamma:
        signal = mixed ** (1 / gamma)
    else:
        signal = np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055)
    return Image.fromarray((signal * 255).round().astype(np.uint8))


LOSSLESS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True}),
]  # fmt: skip
LOSSY: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {"quality": 97, "subsampling": 0}), ("AVIF", {"quality": 95, "subsampling": "4:4:4"}),
    ("HEIF", {"quality": 95, "chroma": 444}),
]  # fmt: skip


_RED = (140, 178, 158)  # in CIE L*a*b*, eight bits a value


def ink() -> bytes:
    """A profile of CMYK whose inks are all of one red: paper without any, black with all."""
    grid = 2
    table = np.tile(np.array(_RED, np.uint8), (grid**4, 1))
    table[0], table[-1] = (255, 128, 128), (0, 128, 128)
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


def adobe_exif(space: int = 0xFFFF, index: str = "R03") -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = space
    exif.get_ifd(0x8769)[0xA005] = {1: index}
    return exif.tobytes()


# Colours that mean sRGB, or nothing.
SAME = [
    {"icc_profile": SRGB}, {"icc_profile": b"nonsense"}, {"icc_profile": icc("ProPhoto")[:250]},
    {"icc_profile": icc("ProPhoto", kind=b"link")}, {"icc_profile": icc("ProPhoto", kind=b"abst")},
    {"icc_profile": icc("ProPhoto", pixels=b"GRAY")}, {"icc_profile": ink()},
    {"icc_profile": icc("ProPhoto", pixels=b"Lab ")},
    {"icc_profile": icc("ProPhoto", pixels=b"XYZ ")},
]  # fmt: skip
WITH_EXIF = [LOSSLESS[0], LOSSLESS[3], *LOSSY]
CODE_POINTS: list[tuple[tuple[int, int], str | None]] = [
    ((12, 13), "Display P3"), ((2, 2), None), ((1, 1), None),
]  # fmt: skip


def with_code_points(format_: str, points: tuple[int, int], space: str | None) -> bytes:
    """A HEIC or AVIF that says its colours by H.273 alone."""
    stored = in_space(seen(), space) if space else seen()
    options = {"quality": 95, "subsampling": "4:4:4"} if format_ == "AVIF" else {"quality": 95}
    data = bytearray(encoded(stored, format_, **options))
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", *points)
    return bytes(data)


def adobe_by_exif(format_: str, options: dict[str, Any]) -> bytes:
    """A photo in Adobe RGB that says so by EXIF alone."""
    data = encoded(in_space(seen(), "Adobe RGB"), format_, exif=adobe_exif(), **options)
    if b"colrnclx" in data:  # with colours of its own, EXIF does not count
        at = data.index(b"colrnclx") + 8
        data = data[:at] + b"\0\2\0\2" + data[at + 4 :]
    return data


_GAMMA = (b"gAMA", struct.pack(">I", 45_455))
_GAMMA_WIDE = (b"gAMA", struct.pack(">I", round(100_000 / 1.8)))
_CODE_OF_P3 = (b"cICP", bytes((12, 13, 0, 1)))


def png_chunks() -> dict[str, bytes]:
    """PNGs whose chunks declare their colours; code points come before a profile, gamma last."""
    p3, adobe = in_space(seen(), "Display P3"), in_space(seen(), "Adobe RGB")
    wide = in_space(seen(), "ProPhoto")
    with_adobe = encoded(adobe, "PNG", icc_profile=icc("Adobe RGB"))
    with_wrong = encoded(p3, "PNG", icc_profile=icc("Adobe RGB"))
    gamma, code = with_chunks(adobe, _GAMMA_WIDE)[33:49], with_chunks(p3, _CODE_OF_P3)[33:49]
    return {
        "code points": with_chunks(p3, _CODE_OF_P3),
        "primaries": with_chunks(p3, _GAMMA, chrm("Display P3")),
        "gamma and primaries": with_chunks(wide, _GAMMA_WIDE, chrm("ProPhoto")),
        "a profile before gamma": with_adobe[:33] + gamma + with_adobe[33:],
        "code points before a profile": with_wrong[:33] + code + with_wrong[33:],
    }


def png_that_says_srgb() -> bytes:
    return with_chunks(seen(), (b"sRGB", b"\0"), _GAMMA, chrm("ProPhoto"))


def red_ink() -> tuple[int, ...]:
    """The sRGB of what is printed, by the book."""
    lightness, a, b = _RED[0] / 2.55, _RED[1] - 128, _RED[2] - 128
    y = (lightness + 16) / 116
    roots = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    linear = np.linalg.inv(columns(_SRGB)) @ (xyz * (0.9642, 1, 0.8249))
    linear = np.clip(linear, 0, 1)
    signal = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return tuple(round(255 * value) for value in signal)
