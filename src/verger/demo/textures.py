"""The arithmetic under the fruit: colours, vectors, smooth curves and noise in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ImageColor

Floats: TypeAlias = npt.NDArray[np.float32]
Points: TypeAlias = Sequence[tuple[float, ...]]

GOLDEN = np.pi * (3.0 - np.sqrt(5.0))
_SIDE = 32
_AT_ONCE = 16_384  # points whose noise a core's cache holds


def f32(values: npt.ArrayLike) -> Floats:
    """Return ``values`` as a float32 array of the same shape."""
    return np.asarray(values, dtype=np.float32)


def smooth(low: float, high: float, x: Floats) -> Floats:
    """Return the smooth step of ``x``: 0 up to ``low``, 1 from ``high`` (or reversed)."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return f32(t * t * (3.0 - 2.0 * t))


def ink(code: str) -> Floats:
    """Return the linear colour, float32 (3,), of an sRGB code such as ``"#d22f1b"``."""
    return f32([(level / 255.0) ** 2.2 for level in ImageColor.getrgb(code)])


def length(v: Floats) -> Floats:
    """Return the lengths (...) of vectors (..., 3)."""
    return f32(np.sqrt(np.einsum("...k,...k->...", v, v)))


def unit(v: npt.ArrayLike) -> Floats:
    """Return vectors (..., 3) scaled to length one (null vectors stay null)."""
    a = f32(v)
    return f32(a / np.maximum(length(a), 1e-9)[..., None])


def turn(axis: npt.ArrayLike, angle: float) -> Floats:
    """Return the (3, 3) rotation of ``angle`` radians around ``axis`` (Rodrigues' formula)."""
    x, y, z = (float(c) for c in unit(axis))
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return f32(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k))


def curve(points: Points, step: float, mirror: bool = False) -> Floats:
    """Resample a Catmull-Rom curve through ``points`` (k, d) at even arc lengths.

    Returns float32 (n, d), cell-centred, n being the length over ``step``. ``mirror`` treats the
    points as half an outline (x, y) that meets its mirror image on the y axis at both ends.
    """
    p = np.asarray(points, dtype=np.float64)
    first, last = 2 * p[0] - p[1], 2 * p[-1] - p[-2]
    if mirror:
        first, last = p[1] * [-1, 1], p[-2] * [-1, 1]
    q = np.vstack([first, p, last])
    t = np.linspace(0.0, 1.0, 24, endpoint=False)[:, None]
    bits = []
    for a, b, c, d in zip(q[:-3], q[1:-2], q[2:-1], q[3:], strict=True):
        bits.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                   + (3 * b - 3 * c + d - a) * t**3)
        )  # fmt: skip
    dense = np.vstack([*bits, p[-1:]])
    along = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(dense, axis=0) ** 2).sum(1)))])
    n = max(4, int(np.ceil(along[-1] / step)))
    at = (np.arange(n) + 0.5) / n * along[-1]
    return f32(np.stack([np.interp(at, along, dense[:, k]) for k in range(p.shape[1])], axis=1))


_TWIST = [turn([1.0, 0.6 + k, 0.3 - k], 0.9 + k) for k in range(6)]


class Noise:
    """Smooth value noise in space, periodic over 32 lattice cells, drawn once per fruit."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw the lattice from ``rng``."""
        self._lattice = rng.random(_SIDE**3, dtype=np.float32)

    def fbm(self, p: Floats, freq: npt.ArrayLike, octaves: int = 3) -> Floats:
        """Return noise float32 (...) at points ``p`` (..., 3): octaves, each finer, about [0, 1].

        Each octave is twice as fine and half as strong as the one before, at most six; each has
        its own orientation, so that no grid shows.
        """
        points = p.reshape(-1, 3)
        out = np.zeros(len(points), dtype=np.float32)
        for at in range(0, len(points), _AT_ONCE):
            some = slice(at, at + _AT_ONCE)
            scale = f32(freq)
            for k in range(octaves):
                place = (points[some] * scale) @ _TWIST[k] + np.float32(5.3 + 7.7 * k)
                out[some] += 0.5**k * self._value(np.ascontiguousarray(place.T))
                scale = scale * np.float32(2.03)
        total = sum(0.5**k for k in range(octaves))
        out = f32(0.5 + (out / total - 0.5) * (1.0 + 0.35 * (octaves - 1)))
        return out.reshape(p.shape[:-1])

    def _value(self, p: Floats) -> Floats:
        """Return noise in [0, 1], float32 (n,), at lattice coordinates ``p`` (3, n)."""
        low = np.floor(p)
        f = p - low
        fx, fy, fz = f * f * (3 - 2 * f)
        i = low.astype(np.int32)
        m = _SIDE - 1
        (x0, y0, z0), (x1, y1, z1) = i & m, (i + 1) & m
        x0, x1, y0, y1 = x0 * _SIDE**2, x1 * _SIDE**2, y0 * _SIDE, y1 * _SIDE
        g = self._lattice

        def row(xy: npt.NDArray[np.int32]) -> Floats:
            a = g.take(xy + z0)
            return f32(a + (g.take(xy + z1) - a) * fz)

        a, b = row(x0 + y0), row(x1 + y0)
        a += (row(x0 + y1) - a) * fy
        b += (row(x1 + y1) - b) * fy
        return f32(a + (b - a) * fx)
