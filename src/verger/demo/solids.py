"""Shapes the camera can photograph: skins, and the clouds of surface points they become.

A *skin* is a rectangular grid of surface points (rows from pole to pole or along a path, columns
around it) with a colour and a material per point. A fruit is a list of skins; ``gather`` turns
them into one ``Cloud`` that the camera in ``verger.demo.render`` rotates, splats and lights.
Lengths are in fruit units (a fruit has a radius of about 1), angles in radians, colours in
linear light from 0 to 1. The y axis points from the flower end to the stem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verger.demo.textures import GOLDEN, Floats, Noise, Points, curve, f32, ink, length, unit


@dataclass
class Cloud:
    """Surface points: ``pos``/``nrm``/``col`` (3, n), ``mat`` (4, n), ``both`` (n,) bool.

    The rows of ``mat`` are gloss, roughness, fuzz and translucency, each from 0 to 1; ``both``
    marks points of thin sheets that are seen from either side.
    """

    pos: Floats
    nrm: Floats
    col: Floats
    mat: Floats
    both: npt.NDArray[np.bool_]

    def moved(self, rot: Floats, scale: float, to: npt.ArrayLike, tint: float = 1.0) -> Cloud:
        """Return a copy rotated by ``rot``, scaled, moved to ``to``, its colour times ``tint``."""
        pos = f32(rot @ self.pos * np.float32(scale) + f32(to)[:, None])
        return Cloud(pos, f32(rot @ self.nrm), f32(self.col * tint), self.mat, self.both)

    def only(self, keep: npt.NDArray[np.bool_]) -> Cloud:
        """Return the points where ``keep`` (n,) is true."""
        return Cloud(self.pos[:, keep], self.nrm[:, keep], self.col[:, keep],
                     self.mat[:, keep], self.both[keep])  # fmt: skip


class Skin:
    """A grid of surface points ``pos`` (rows, columns, 3) with colours and materials.

    ``row`` (rows, 1) runs from 0 to 1 from the first to the last row, ``phi`` (1, columns) around
    the skin; ``at`` keeps the positions the skin had when made, for textures. ``mat`` holds
    (gloss, roughness, fuzz, translucency), (rows, columns, 4).
    """

    def __init__(self, pos: Floats, noise: Noise, colour: str, *, sheet: bool = False) -> None:
        """Make a skin of one colour; ``sheet`` marks an open, two-sided one."""
        rows, cols = pos.shape[:2]
        self.pos, self.at, self.sheet, self._noise = pos, pos, sheet, noise
        self.row = f32((np.arange(rows) + 0.5) / rows)[:, None]
        self.phi = f32(np.arange(cols) * (2 * np.pi / cols))[None, :]
        self.col = np.broadcast_to(ink(colour), pos.shape).copy()
        self.mat = np.zeros((rows, cols, 4), dtype=np.float32)
        self.look(0.4, 0.3)

    def look(self, gloss: float, rough: float, fuzz: float = 0.0, trans: float = 0.4) -> Skin:
        """Set the material of the whole skin; returns the skin."""
        self.mat[:] = (gloss, rough, fuzz, trans)
        return self

    def fbm(self, freq: npt.ArrayLike, octaves: int = 3) -> Floats:
        """Return noise (rows, columns) of the texture positions; ``freq`` one number or three."""
        return self._noise.fbm(self.at, freq, octaves)

    def streaks(self, around: float, along: float, octaves: int = 3) -> Floats:
        """Return noise (rows, columns) drawn out along the meridians."""
        y = np.broadcast_to(self.at[..., 1], self.at.shape[:2])
        c, s = np.broadcast_arrays(np.cos(self.phi), np.sin(self.phi), y)[:2]
        return self._noise.fbm(f32(np.stack([c * around, y * along, s * around], -1)), 1, octaves)

    def tint(self, colour: str, weight: Floats | float) -> Skin:
        """Mix ``colour`` in by ``weight`` (0 to 1, broadcast to the grid); returns the skin."""
        w = np.broadcast_to(f32(weight), self.col.shape[:2])[..., None]
        self.col = f32(self.col + (ink(colour) - self.col) * w)
        return self

    def shade(self, factor: Floats) -> Skin:
        """Multiply the colour by ``factor`` (broadcast to the grid); returns the skin."""
        self.col = f32(self.col * np.broadcast_to(factor, self.col.shape[:2])[..., None])
        return self

    def normals(self) -> Floats:
        """Return unit outward normals (rows, columns, 3)."""
        along = np.gradient(self.pos, axis=0)
        if self.sheet:
            across = np.gradient(self.pos, axis=1)
        else:
            across = np.roll(self.pos, -1, 1) - np.roll(self.pos, 1, 1)
        n = unit(np.cross(along, across))
        if not self.sheet:
            middle = self.pos.mean(axis=1, keepdims=True)
            if float(np.einsum("ijk,ijk->", self.pos - middle, n)) < 0:
                n = f32(-n)
        return n

    def lift(self, height: Floats) -> Skin:
        """Move the points along their normals by ``height`` (broadcast); returns the skin."""
        h = np.broadcast_to(height, self.col.shape[:2])[..., None]
        self.pos = f32(self.pos + self.normals() * h)
        return self

    def girth(self) -> Floats:
        """Return the length (rows,) of each row of the grid around the skin."""
        step = np.roll(self.pos, -1, 1) - self.pos
        return f32(length(f32(step)).sum(1))

    def scatter(
        self, count: int, rng: np.random.Generator | None = None, low: float = 0.0,
        high: float = 1.0,
    ) -> tuple[Floats, Floats]:  # fmt: skip
        """Return rows in [0, 1] and angles (count,) evenly over the area between two rows.

        With ``rng`` the places are random, without it they follow the golden-angle spiral.
        """
        weight = np.cumsum(self.girth() * ((self.row[:, 0] >= low) & (self.row[:, 0] <= high)))
        k = np.arange(count)
        u = (k + 0.5) / count if rng is None else rng.random(count)
        phi = k * GOLDEN % (2 * np.pi) if rng is None else rng.random(count) * 2 * np.pi
        return f32(np.interp(u * weight[-1], weight, self.row[:, 0])), f32(phi)

    def spots(self, places: tuple[Floats, Floats], radius: npt.ArrayLike) -> Floats:
        """Return a grid: 1 at each place, falling linearly to 0 at ``radius`` units from it.

        ``radius`` is one number or one per place. Overlapping spots keep the nearest one.
        """
        rows, cols = self.col.shape[:2]
        out = np.zeros((rows, cols), dtype=np.float32)
        dx = np.maximum(self.girth() / cols, 1e-6)
        dy = length(f32(np.diff(self.pos, axis=0))).mean(1)
        dy = np.append(dy, dy[-1])
        radii = np.broadcast_to(f32(radius), places[0].shape)
        for r, phi, size in zip(*places, radii, strict=True):
            i0 = min(rows - 1, int(r * rows))
            j0 = float(phi) / (2 * np.pi) * cols
            di = int(size / dy[i0]) + 2
            i = np.arange(max(0, i0 - di), min(rows, i0 + di + 1))
            dj = min(cols // 2 - 1, int(size / dx[i].min()) + 2)
            j = int(j0) + np.arange(-dj, dj + 1)
            y = (i - r * rows + 0.5) * dy[i0]
            x = (j - j0)[None, :] * dx[i][:, None]
            w = 1 - np.sqrt(x * x + (y * y)[:, None]) / size
            block = np.ix_(i, j % cols)
            out[block] = np.maximum(out[block], w)
        return out

    def cloud(self) -> Cloud:
        """Return the points of the skin, thinned near the poles where the grid is too dense."""
        n = self.normals()
        rows, cols = self.col.shape[:2]
        girth = self.girth()
        every = np.clip(girth.max() / np.maximum(girth, 1e-6), 1, max(1, cols // 6)).astype(
            np.int32
        )
        keep = (np.arange(cols)[None, :] % every[:, None] == 0).ravel()
        if self.sheet:
            keep[:] = True

        def flat(grid: Floats) -> Floats:
            return np.ascontiguousarray(grid.reshape(rows * cols, -1)[keep].T)

        both = np.full(int(keep.sum()), self.sheet)
        return Cloud(flat(self.pos), flat(n), flat(self.col), flat(self.mat), both)


def gather(pieces: Sequence[Skin | Cloud]) -> Cloud:
    """Return one cloud of all the pieces."""
    clouds = [p.cloud() if isinstance(p, Skin) else p for p in pieces]
    return Cloud(*(np.concatenate([getattr(c, name) for c in clouds], axis=-1)
                   for name in ("pos", "nrm", "col", "mat", "both")))  # fmt: skip


class Bench:
    """What a recipe works with: a random generator, noise, and a spacing for surface points."""

    def __init__(self, rng: np.random.Generator, step: float) -> None:
        """Set the bench up; ``step`` is the distance between surface points, in fruit units."""
        self.rng, self.step, self.noise = rng, step, Noise(rng)

    def some(self, middle: float, spread: float) -> float:
        """Return a number drawn evenly within ``middle`` plus or minus ``spread``."""
        return float(middle + spread * (2 * self.rng.random() - 1))

    def body(self, outline: Points, colour: str, lumps: float = 0.05) -> Skin:
        """Return a solid of revolution of an outline (radius, y) given from stem to flower end.

        The outline gets a little seeded jitter and the solid slow lumps of ``lumps`` units.
        """
        p = np.asarray(outline, dtype=np.float64)
        p = p * [1.0, self.some(1.0, 0.025)]
        p[1:-1, 0] *= 1 + self.rng.normal(0, 0.006, len(p) - 2)
        line = curve([tuple(q) for q in p], self.step, mirror=True)
        radius = np.maximum(line[:, 0], 0.0)
        cols = max(12, int(np.ceil(2 * np.pi * radius.max() / self.step)))
        phi = np.arange(cols) * (2 * np.pi / cols)
        y = np.broadcast_to(line[:, 1:], (len(line), cols))
        pos = f32(np.stack([radius[:, None] * np.cos(phi), y, radius[:, None] * np.sin(phi)], -1))
        skin = Skin(pos, self.noise, colour)
        if lumps:
            grow = 1 + lumps * (self.noise.fbm(pos, 0.9, 2) - 0.5) * 2
            skin.pos = f32(pos * grow[..., None])
        return skin

    def tube(self, path: Points, radii: Sequence[float], colour: str) -> Skin:
        """Return a closed tube along a smooth ``path`` (k, 3) with ``radii`` along it."""
        line = curve(path, self.step)
        n = len(line)
        thick = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(radii)), radii)
        caps = [max(2, int(np.ceil(thick[k] / self.step))) for k in (0, -1)]
        ramp = [np.linspace(0.02, 1, c, endpoint=False) for c in caps]
        spine = np.vstack([np.repeat(line[:1], caps[0], 0), line, np.repeat(line[-1:], caps[1], 0)])
        r = np.concatenate([thick[0] * ramp[0], thick, thick[-1] * ramp[1][::-1]])
        ahead = unit(np.gradient(line, axis=0))
        ahead = np.vstack([np.repeat(ahead[:1], caps[0], 0), ahead,
                           np.repeat(ahead[-1:], caps[1], 0)])  # fmt: skip
        side = unit(np.cross(ahead, unit([0.31, 0.17, 0.93])))
        up = np.cross(side, ahead)
        cols = max(12, int(np.ceil(2 * np.pi * float(r.max()) / self.step)))
        phi = np.arange(cols) * (2 * np.pi / cols)
        ring = side[:, None] * np.cos(phi)[:, None] + up[:, None] * np.sin(phi)[:, None]
        return Skin(f32(spine[:, None] + ring * r[:, None, None]), self.noise, colour)

    def leaf(
        self, base: npt.ArrayLike, ahead: npt.ArrayLike, up: npt.ArrayLike, long: float,
        width: float, colour: str, *, curl: float = 0.0, fold: float = 0.0,
    ) -> Skin:  # fmt: skip
        """Return a thin leaf from ``base`` towards ``ahead``, its upper side facing ``up``.

        ``curl`` bends its tip up (down if negative) by that share of its length, ``fold`` raises
        its edges.
        """
        a = unit(ahead)
        side = unit(np.cross(a, f32(up)))
        top = f32(np.cross(side, a))
        rows = max(6, int(np.ceil(long * (1 + abs(curl)) / self.step)))
        cols = max(5, int(np.ceil(2 * width / self.step)))
        u = f32((np.arange(rows) + 0.5) / rows)[:, None]
        v = f32(np.linspace(-1, 1, cols))[None, :]
        w = width * np.sin(np.pi * np.clip(u, 0, 1) ** 0.75) ** 0.8 * (1 - u**4 * 0.3)
        rise = curl * long * u**2 + fold * w * np.abs(v)
        pos = (f32(base) + a * (long * u)[..., None] * np.ones_like(v)[..., None]
               + side * (w * v)[..., None] + top * rise[..., None])  # fmt: skip
        skin = Skin(f32(pos), self.noise, colour, sheet=True).look(0.25, 0.5)
        skin.shade(f32(1.0 + 0.35 * np.exp(-((v / 0.12) ** 2)) - 0.25 * skin.fbm(9.0, 2)))
        return skin
