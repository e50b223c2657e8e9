"""Pixels in the colours that their file declares → the sRGB that networks were trained on.

Whatever a file says of its colours (an ICC profile, code points of H.273, a PNG's chunks, EXIF) is
brought into one form, an ICC profile, and LittleCMS converts by it. What each profile does is
found out once and remembered; one that does nothing to sRGB costs a digest from then on.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Conversion = Callable[[Image.Image], Image.Image]
Curve = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]  # signal → light, both 0 to 1
Chromaticities = tuple[tuple[float, float], ...]  # x, y of red, green, blue and white

MOST_BYTES = 16 * 2**20  # of a profile; the largest in use, of printing presses, have 4 MB
_REMEMBERED = 32
_AS_GOOD_AS_SRGB = 1  # levels
_INPUT_CLASSES = ("mntr", "scnr", "prtr", "spac")  # not links, abstract profiles, named colours
_REDUCED_FROM = 2  # times the side asked for: larger photos are first reduced by whole numbers


class Declared(NamedTuple):
    """The colours that a file declares for its pixels."""

    profile: bytes  # ICC
    gray: bool  # whether the pixels are shades alone, whatever their mode by now


def in_srgb(image: Image.Image, declared: Declared, least_side: int) -> Image.Image:
    """Convert an image (L, RGB, RGBA or CMYK) to sRGB; unchanged where there is nothing to do.

    A profile that is broken, oversized, or of another kind of pixels is ignored, as viewers do. A
    large image may come back smaller, its shorter side no shorter than `least_side` pixels.
    """
    conversion = _conversion(declared.profile, image.mode, declared.gray)
    if conversion is None:
        return image
    factor = min(image.size) // (_REDUCED_FROM * least_side)
    return conversion(image.reduce(factor) if factor > 1 else image)


_conversions: OrderedDict[tuple[bytes, str, bool], Conversion | None] = OrderedDict()
_lock = Lock()


def _conversion(profile: bytes, mode: str, gray: bool) -> Conversion | None:
    if len(profile) > MOST_BYTES:
        return None
    key = hashlib.sha256(profile).digest(), mode, gray
    with _lock:
        if key in _conversions:
            _conversions.move_to_end(key)
            return _conversions[key]
    try:
        conversion = _built(profile, mode, gray)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        conversion = None
    with _lock:
        _conversions[key] = conversion
        if len(_conversions) > _REMEMBERED:
            _conversions.popitem(last=False)
    return conversion


def _built(profile: bytes, mode: str, gray: bool) -> Conversion | None:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if source.profile.device_class.strip() not in _INPUT_CLASSES:
        return None
    if space == "GRAY" and gray:
        return _by_shades(source)
    if space == "RGB" and mode != "CMYK":
        return _by_colours(source, mode)
    if space == "CMYK" and mode == "CMYK":
        transform = ImageCms.buildTransform(source, _srgb(), "CMYK", "RGB")
        return lambda image: _transformed(image, transform)
    return None


def _by_colours(source: ImageCms.ImageCmsProfile, mode: str) -> Conversion | None:
    probe = _probe()
    transform = ImageCms.buildTransform(source, _srgb(), "RGB", "RGB")
    change = np.asarray(_transformed(probe, transform)).astype(int) - np.asarray(probe)
    if np.abs(change).max() <= _AS_GOOD_AS_SRGB:
        return None
    if mode == "RGBA":
        transform = ImageCms.buildTransform(source, _srgb(), "RGBA", "RGBA")

    def convert(image: Image.Image) -> Image.Image:
        return _transformed(image.convert("RGB") if image.mode == "L" else image, transform)

    return convert


def _by_shades(source: ImageCms.ImageCmsProfile) -> Conversion | None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    transform = ImageCms.buildTransform(source, _srgb(), "L", "RGB")
    levels = np.asarray(_transformed(ramp, transform))[0, :, 1]  # green stands for all three
    if np.abs(levels.astype(int) - np.arange(256)).max() <= _AS_GOOD_AS_SRGB:
        return None
    curve, same = levels.tolist(), list(range(256))

    def convert(image: Image.Image) -> Image.Image:
        bands = image.getbands()
        return image.point([level for band in bands for level in (same if band == "A" else curve)])

    return convert


def _transformed(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # only where it works in place
        raise ValueError("no image came back")
    return converted


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@cache
def _probe() -> Image.Image:
    """Colours from all over the cube, the grays among them."""
    steps = np.append(np.arange(0, 256, 15), (4, 9, 250)).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    return Image.fromarray(cube.reshape(len(steps), -1, 3))


# Colours that are declared otherwise --------------------------------------------------------------

_D65 = (0.3127, 0.3290)
_SRGB_PRIMARIES = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
_ADOBE_RGB = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), _D65)
_C = (0.310, 0.316)
# ITU-T H.273, table 2. What is not here (1 BT.709, 2 unspecified) has the primaries of sRGB.
_PRIMARIES: dict[int, Chromaticities] = {
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_WHITE_IN_NITS = 203.0  # of a picture in an HDR signal, by ITU-R BT.2408


def _srgb_curve(signal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _power(gamma: float) -> Curve:
    return lambda signal: signal**gamma


def _pq(signal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """SMPTE ST 2084, as much of it as paper white; what is brighter is white."""
    root = signal ** (1 / 78.84375)
    light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return np.minimum(10_000 / _WHITE_IN_NITS * light ** (1 / 0.1593017578125), 1)


def _hlg(signal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """ITU-R BT.2100 HLG on a screen of 1,000 nits, as much of it as paper white."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.minimum(1_000 / _WHITE_IN_NITS * scene**1.2, 1)


# The rest (1, 6, 13, 14, 15, unspecified) is shown as sRGB's by browsers and phones.
_CURVES: dict[int, Curve] = {
    4: _power(2.2), 5: _power(2.8), 8: _power(1.0), 16: _pq, 17: _power(2.6), 18: _hlg,
}  # fmt: skip


@cache
def profile_of_code_points(primaries: int, transfer: int) -> bytes | None:
    """Make the profile of H.273's code points (CICP, nclx); None where that is sRGB."""
    if primaries not in _PRIMARIES and transfer not in _CURVES:
        return None
    return _profile(_PRIMARIES.get(primaries, _SRGB_PRIMARIES), _CURVES.get(transfer, _srgb_curve))


@cache
def adobe_rgb() -> bytes | None:
    """Make the profile of the colours that EXIF calls R03."""
    return _profile(_ADOBE_RGB, _power(563 / 256))


def profile_of_png_chunks(gamma: bytes | None, chromaticities: bytes | None) -> bytes | None:
    """Make the profile of a PNG's gAMA and cHRM; None where they say sRGB, or nothing sensible.

    A gamma within 5% of 1/2.2 means sRGB's curve, as libpng has it.
    """
    curve: Curve = _srgb_curve
    primaries: Chromaticities = _SRGB_PRIMARIES
    if gamma is not None and len(gamma) == 4:
        (number,) = struct.unpack(">I", gamma)
        if not 10_000 <= number <= 500_000:
            return None
        if abs(number / 45_455 - 1) > 0.05:
            curve = _power(100_000 / number)
    if chromaticities is not None and len(chromaticities) == 32:
        found = np.frombuffer(chromaticities, ">u4").reshape(4, 2) / 100_000
        named: Chromaticities = tuple((float(x), float(y)) for x, y in np.roll(found, -1, axis=0))
        if np.abs(np.subtract(named, _SRGB_PRIMARIES)).max() > 0.005:
            primaries = named
    if curve is _srgb_curve and primaries is _SRGB_PRIMARIES:
        return None
    return _profile(primaries, curve)


_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


_STEPS = 4096


def _profile(chromaticities: Chromaticities, curve: Curve) -> bytes | None:
    """Write an ICC profile (version 2, three primaries and a curve); None for impossible ones."""
    xy = np.array(chromaticities)
    if (xy[:, 1] <= 0).any():
        return None
    lights = np.stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(axis=1)) / xy[:, 1]])
    primaries, white = lights[:, :3], lights[:, 3]
    try:
        columns = primaries * np.linalg.solve(primaries, white)
    except np.linalg.LinAlgError:
        return None
    adapted = np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white))
    columns = np.linalg.inv(_BRADFORD) @ adapted @ _BRADFORD @ columns
    if not np.abs(columns).max() < 100:
        return None
    steps = (curve(np.linspace(0, 1, _STEPS)) * 65535).round().astype(">u2").tobytes()
    curve_tag = b"curv" + bytes(4) + struct.pack(">I", _STEPS) + steps
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 7) + b"Verger" + bytes(79),
            b"wtpt": _xyz(_D50), b"rXYZ": _xyz(columns[:, 0]), b"gXYZ": _xyz(columns[:, 1]),
            b"bXYZ": _xyz(columns[:, 2]), b"rTRC": curve_tag}  # fmt: skip
    return _file(tags, {b"gTRC": b"rTRC", b"bTRC": b"rTRC"})


def _file(tags: dict[bytes, bytes], same: dict[bytes, bytes]) -> bytes:
    at = 128 + 4 + 12 * (len(tags) + len(same))
    places, body = {}, b""
    for name, content in tags.items():
        places[name] = (at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    places |= {name: places[other] for name, other in same.items()}
    table = b"".join(name + struct.pack(">II", *place) for name, place in places.items())
    head = struct.pack(">I4xI", at + len(body), 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + _xyz(_D50)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(places)) + table + body


def _xyz(values: npt.NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + (values * 65536).round().astype(">i4").tobytes()
