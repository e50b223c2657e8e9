"""The catalogue of varieties: how each fruit is shaped, coloured and dressed.

A recipe grows the pieces of one fruit on a ``Bench``; ``RECIPES`` holds them by variety name.
This module has the apples, pears and citrus; ``stone``, ``berries`` and ``exotics`` beside it
add theirs when they are imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from verger.demo.solids import Bench, Cloud, Skin
from verger.demo.textures import Floats, Points, f32, smooth

Pieces: TypeAlias = list[Skin | Cloud]


@dataclass(frozen=True)
class Recipe:
    """How to grow a fruit, and how it stands.

    The camera looks ``tilt`` degrees down on it, and its own axis leans ``wobble`` degrees from
    the one it turns around.
    """

    grow: Callable[[Bench], Pieces]
    tilt: float
    wobble: float


RECIPES: dict[str, Recipe] = {}


def variety(
    name: str, tilt: float = 24.0, wobble: float = 16.0
) -> Callable[[Callable[[Bench], Pieces]], Callable[[Bench], Pieces]]:
    """Return a decorator that enters a recipe in the catalogue under ``name``."""

    def enter(grow: Callable[[Bench], Pieces]) -> Callable[[Bench], Pieces]:
        RECIPES[name] = Recipe(grow, tilt, wobble)
        return grow

    return enter


def dots(bench: Bench, skin: Skin, colour: str, count: int, size: float, weight: float) -> None:
    """Sprinkle ``count`` lenticels or freckles of about ``size`` units on a skin."""
    radii = size * (0.6 + 0.9 * bench.rng.random(count) ** 2)
    spot = skin.spots(skin.scatter(count, bench.rng), radii)
    skin.tint(colour, f32(weight * smooth(0.0, 0.7, spot)))


def bruises(bench: Bench, skin: Skin, colour: str, count: int, size: float = 0.07) -> None:
    """Add ``count`` irregular blemishes of about ``size`` units."""
    radii = size * (0.4 + bench.rng.random(count))
    spot = skin.spots(skin.scatter(count, bench.rng, 0.15, 0.9), radii)
    skin.tint(colour, f32(0.8 * smooth(0.15, 0.6, f32(spot - 0.35 * skin.fbm(14.0, 2)))))


def stalk(
    bench: Bench, foot: float, height: float, thick: float, colour: str, lean: float = 0.2
) -> Skin:
    """Return a woody stem from y = ``foot`` up by ``height``, bent sideways by about ``lean``."""
    x, z = bench.some(0, lean), bench.some(0, lean)
    path = [(0.0, foot, 0.0), (x * 0.2, foot + height * 0.5, z * 0.2), (x, foot + height, z)]
    skin = bench.tube(path, [thick * 1.1, thick * 0.8, thick * 0.85, thick * 1.5], colour)
    skin.shade(f32(0.7 + 0.6 * skin.fbm((30, 8, 30), 2)))
    return skin.look(0.15, 0.7, 0.0, 0.1)


def ring(
    bench: Bench, count: int, y: float, radius: float, length: float, width: float, colour: str,
    *, rise: float = 0.1, curl: float = 0.0, fold: float = 0.2, start: float = 0.0,
) -> Pieces:  # fmt: skip
    """Return ``count`` sepals around the axis at height ``y``, pointing out and up by ``rise``."""
    out: Pieces = []
    for k in range(count):
        a = start + 2 * np.pi * k / count + bench.some(0, 0.12)
        x, z = float(np.cos(a)), float(np.sin(a))
        out.append(bench.leaf((x * radius, y, z * radius), (x, rise + bench.some(0, 0.08), z),
                              (-x * rise, 1, -z * rise), length * bench.some(1, 0.12), width,
                              colour, curl=curl + bench.some(0, 0.08), fold=fold))  # fmt: skip
    return out


APPLE: Points = [(0, 0.60), (0.07, 0.64), (0.17, 0.78), (0.34, 0.88), (0.60, 0.87), (0.86, 0.64),
                 (0.99, 0.22), (0.97, -0.20), (0.83, -0.60), (0.58, -0.86), (0.36, -0.93),
                 (0.20, -0.88), (0.09, -0.78), (0, -0.75)]  # fmt: skip


def apple(bench: Bench, skin: Skin, *, lobes: float, russet: str = "#8a6a34") -> Pieces:
    """Finish an apple: five lobes at the flower end, russet in the bowl, a calyx and a stem."""
    low = smooth(0.45, 1.0, skin.row)
    skin.lift(f32(lobes * low * np.cos(5 * skin.phi)))
    skin.lift(f32(0.004 * (skin.fbm(6.0, 2) - 0.5)))
    ray = skin.streaks(3.5, 0.5, 2)
    bowl = smooth(0.20, 0.06, f32(skin.row + 0.10 * (ray - 0.5)))
    skin.tint(russet, f32(0.75 * bowl))
    skin.shade(f32(1 - 0.55 * smooth(0.12, 0.01, skin.row)))
    skin.shade(f32(1 - 0.60 * smooth(0.90, 0.99, skin.row)))
    calyx: Pieces = []
    for k in range(5):
        way = (np.cos(k * 1.2566), np.sin(k * 1.2566))
        calyx.append(bench.leaf((way[0] * 0.03, -0.77, way[1] * 0.03),
                                (way[0] * 0.55, -1, way[1] * 0.55), (-way[0], 0.2, -way[1]),
                                0.17, 0.045, "#4a3a22", curl=0.3))  # fmt: skip
    return [skin, stalk(bench, 0.58, bench.some(0.50, 0.08), 0.032, "#5d4023"), *calyx]


def blush(skin: Skin, colour: str, cover: float, soft: float = 0.35) -> Floats:
    """Colour the sunny side; ``cover`` from 0 to 1 is about the share covered; returns weights."""
    sun = 0.5 + 0.36 * np.cos(skin.phi - 1.0) + 0.22 * skin.at[..., 1]
    w = smooth(1 - cover - soft, 1 - cover + soft, f32(sun + 0.5 * (skin.fbm(1.6, 3) - 0.5)))
    skin.tint(colour, w)
    return w


@variety("Apple Golden")
def _golden(bench: Bench) -> Pieces:
    skin = bench.body(APPLE, "#dcc23e")
    skin.tint("#b9bd3a", f32(0.8 * smooth(0.35, 0.75, skin.fbm(1.4, 3))))
    skin.tint("#e3a24a", f32(0.55 * blush(skin, "#dcc04a", 0.25)))
    dots(bench, skin, "#8f7430", 260, 0.016, 0.7)
    bruises(bench, skin, "#8a5f2a", 2)
    skin.look(0.55, 0.30, 0.0, 0.6)
    return apple(bench, skin, lobes=0.012)


@variety("Apple Granny Smith")
def _granny(bench: Bench) -> Pieces:
    skin = bench.body([(x, y * 0.97) for x, y in APPLE], "#78a61f")
    skin.tint("#9dc03a", f32(0.8 * smooth(0.35, 0.8, skin.fbm(1.3, 3))))
    skin.tint("#5f9418", f32(0.5 * smooth(0.5, 0.8, skin.streaks(5, 0.8))))
    dots(bench, skin, "#dbe5a0", 320, 0.017, 0.85)
    skin.look(0.75, 0.18, 0.0, 0.5)
    return apple(bench, skin, lobes=0.01, russet="#7d8a3a")


@variety("Apple Pink Lady")
def _pink_lady(bench: Bench) -> Pieces:
    skin = bench.body([(x * 0.97, y * 1.06) for x, y in APPLE], "#d3bf52")
    w = blush(skin, "#cf3d4e", 0.66, 0.30)
    skin.tint("#b01f38", f32(w * 0.75 * smooth(0.45, 0.75, skin.streaks(7, 1.0))))
    dots(bench, skin, "#f0c9a8", 260, 0.014, 0.6)
    skin.look(0.7, 0.2, 0.0, 0.5)
    return apple(bench, skin, lobes=0.012)


@variety("Apple Red Delicious")
def _red_delicious(bench: Bench) -> Pieces:
    line = [(0, 0.64), (0.08, 0.70), (0.20, 0.88), (0.40, 0.99), (0.66, 0.96), (0.90, 0.68),
            (0.97, 0.25), (0.90, -0.22), (0.75, -0.65), (0.55, -0.97), (0.38, -1.05),
            (0.22, -0.97), (0.10, -0.80), (0, -0.76)]  # fmt: skip
    skin = bench.body(line, "#8c0f1c")
    skin.tint("#b01c28", f32(0.7 * smooth(0.35, 0.85, skin.streaks(5, 0.9))))
    skin.tint("#5a0812", f32(0.55 * smooth(0.45, 0.95, skin.streaks(7, 1.0))))
    dots(bench, skin, "#dd9a86", 300, 0.015, 0.7)
    skin.look(0.8, 0.16, 0.0, 0.4)
    return apple(bench, skin, lobes=0.042, russet="#6d3a20")


@variety("Apple Braeburn")
def _braeburn(bench: Bench) -> Pieces:
    skin = bench.body(APPLE, "#b9a83c")
    w = blush(skin, "#b8452a", 0.62, 0.40)
    band = smooth(0.50, 0.66, skin.streaks(11, 0.7))
    skin.tint("#8e1a18", f32((0.35 + 0.65 * w) * band * 0.85))
    dots(bench, skin, "#d9b870", 240, 0.015, 0.6)
    bruises(bench, skin, "#6d4424", 1)
    skin.look(0.6, 0.24, 0.0, 0.5)
    return apple(bench, skin, lobes=0.02)


def pear(bench: Bench, skin: Skin, top: float, stem: str) -> Pieces:
    """Finish a pear whose neck ends at y = ``top``: lean the neck, add calyx and stem."""
    y = skin.at[..., 1]
    bend = 0.10 * np.clip(y + 0.2, 0, None) ** 2
    skin.pos = f32(skin.pos + np.stack([bend, np.zeros_like(y), -0.5 * bend], -1))
    skin.tint("#4c3a20", f32(0.8 * smooth(0.955, 0.985, skin.row)))
    skin.shade(f32(1 - 0.4 * smooth(0.03, 0.0, skin.row)))
    stem_skin = stalk(bench, top - 0.08, 0.46, 0.04, stem, 0.22)
    at = 0.10 * (top + 0.2) ** 2
    stem_skin.pos = f32(stem_skin.pos + f32([at, 0, -0.5 * at]))
    return [skin, stem_skin]


@variety("Pear Williams", 14, 14)
def _williams(bench: Bench) -> Pieces:
    line = [(0, 1.22), (0.10, 1.22), (0.24, 1.13), (0.34, 0.86), (0.44, 0.48), (0.66, 0.10),
            (0.84, -0.28), (0.84, -0.66), (0.62, -0.98), (0.34, -1.10), (0.14, -1.06),
            (0, -1.02)]  # fmt: skip
    skin = bench.body(line, "#cdbd3c", 0.08)
    skin.tint("#a9b03a", f32(0.9 * smooth(0.35, 0.75, skin.fbm(1.5, 3))))
    skin.tint("#d9a13c", f32(0.5 * blush(skin, "#d4bb45", 0.25)))
    skin.lift(f32(0.012 * (skin.fbm(4.0, 2) - 0.5)))
    dots(bench, skin, "#7f6c28", 480, 0.014, 0.65)
    bruises(bench, skin, "#7c5a2a", 4)
    skin.look(0.32, 0.45, 0.0, 0.6)
    return pear(bench, skin, 1.2, "#5a4426")


@variety("Pear Conference", 12, 12)
def _conference(bench: Bench) -> Pieces:
    line = [(0, 1.45), (0.08, 1.44), (0.17, 1.34), (0.24, 1.02), (0.33, 0.60), (0.50, 0.15),
            (0.63, -0.30), (0.64, -0.70), (0.50, -1.02), (0.30, -1.16), (0.12, -1.14),
            (0, -1.10)]  # fmt: skip
    skin = bench.body(line, "#8b9440", 0.08)
    skin.tint("#a6a44c", f32(0.7 * smooth(0.4, 0.8, skin.fbm(1.8, 3))))
    ends = 0.55 * smooth(0.55, 1.0, skin.row) + 0.35 * smooth(0.15, 0.0, skin.row)
    rust = skin.fbm(3.2, 4) + ends
    skin.tint("#936c36", f32(0.85 * smooth(0.55, 0.95, f32(rust))))
    skin.lift(f32(0.010 * (skin.fbm(7.0, 2) - 0.5)))
    dots(bench, skin, "#5f5226", 420, 0.014, 0.6)
    skin.look(0.16, 0.6, 0.0, 0.4)
    return pear(bench, skin, 1.43, "#4e3a22")


def citrus(
    bench: Bench, line: Points, colour: str, deep: str, *, pore: float = 0.030, count: int = 2300
) -> Skin:
    """Return a peel with oil glands: ``count`` pits of radius ``pore`` and mottled colour."""
    skin = bench.body(line, colour, 0.04)
    skin.tint(deep, f32(0.6 * smooth(0.35, 0.8, skin.fbm(1.7, 3))))
    pit = skin.spots(skin.scatter(count, bench.rng), pore)
    skin.tint(deep, f32(0.40 * smooth(0.1, 0.8, pit)))
    skin.lift(f32(-0.0085 * smooth(0.0, 0.9, pit) + 0.018 * (skin.fbm(5.0, 2) - 0.5)))
    return skin.look(0.50, 0.32, 0.0, 0.65)


def button(bench: Bench, top: float, size: float = 0.10) -> Pieces:
    """Return the green star left where a citrus fruit was cut from the tree."""
    pieces: Pieces = []
    for k in range(5):
        a = k * 1.2566 + 0.3
        way = (np.cos(a), 0.15, np.sin(a))
        pieces.append(bench.leaf((0, top - 0.005, 0), way, (0, 1, 0), size * 1.5, size * 0.62,
                                 "#6f7f33", curl=-0.1))  # fmt: skip
    path = [(0.0, top - 0.05, 0.0), (0.0, top + 0.03, 0.0)]
    knob = bench.tube(path, [size * 0.55, size * 0.42], "#8d8a55")
    return [*pieces, knob.look(0.1, 0.7)]


ROUND: Points = [(0, 0.93), (0.10, 0.945), (0.30, 0.94), (0.58, 0.80), (0.83, 0.54), (0.98, 0.12),
                 (0.96, -0.30), (0.78, -0.66), (0.50, -0.87), (0.22, -0.955),
                 (0, -0.96)]  # fmt: skip


@variety("Orange", 30, 22)
def _orange(bench: Bench) -> Pieces:
    skin = citrus(bench, ROUND, "#f18a12", "#e46c06")
    scar = smooth(0.965, 0.99, skin.row)
    skin.tint("#a5702a", f32(0.8 * scar)).lift(f32(-0.02 * scar))
    return [skin, *button(bench, 0.935)]


@variety("Mandarine", 34, 16)
def _mandarine(bench: Bench) -> Pieces:
    line = [(0, 0.63), (0.08, 0.68), (0.20, 0.72), (0.48, 0.68), (0.80, 0.46), (0.99, 0.08),
            (0.95, -0.28), (0.72, -0.58), (0.42, -0.70), (0.20, -0.69), (0, -0.62)]  # fmt: skip
    skin = citrus(bench, line, "#ee7a10", "#dd5a06", pore=0.036, count=1500)
    skin.lift(f32(0.012 * np.cos(9 * skin.phi) * smooth(0.30, 0.08, skin.row)))
    skin.look(0.65, 0.26, 0.0, 0.6)
    leaf = bench.leaf((0.02, 0.70, 0), (0.9, 0.28, 0.25), (0, 1, 0), 0.95, 0.24, "#39701f",
                      curl=-0.28, fold=0.25)  # fmt: skip
    stem = stalk(bench, 0.60, 0.24, 0.035, "#5c6a2a", 0.08)
    return [skin, leaf.look(0.5, 0.35), stem, *button(bench, 0.665, 0.07)]


@variety("Grapefruit Pink", 28, 22)
def _grapefruit(bench: Bench) -> Pieces:
    line = [(x * 1.04, y * 0.90) for x, y in ROUND]
    skin = citrus(bench, line, "#eeb73a", "#e79a34", pore=0.024, count=3000)
    skin.tint("#e2704c", f32(0.75 * smooth(0.50, 0.85, skin.fbm(1.3, 3))))
    blush(skin, "#e5835a", 0.22, 0.30)
    scar = smooth(0.972, 0.99, skin.row)
    skin.tint("#9a6a34", f32(0.7 * scar))
    return [skin, *button(bench, 0.845, 0.08)]


LEMON: Points = [(0, 1.22), (0.09, 1.20), (0.17, 1.10), (0.30, 0.99), (0.55, 0.80), (0.78, 0.44),
                 (0.84, 0.0), (0.77, -0.45), (0.54, -0.82), (0.28, -1.03), (0.19, -1.17),
                 (0.13, -1.32), (0, -1.37)]  # fmt: skip


@variety("Lemon", 12, 62)
def _lemon(bench: Bench) -> Pieces:
    skin = citrus(bench, LEMON, "#f3cf1f", "#e6b80f", pore=0.033, count=1700)
    skin.tint("#c6c436", f32(0.7 * smooth(0.10, 0.0, skin.row) + 0.5 * smooth(0.93, 1.0, skin.row)))
    scar = smooth(0.022, 0.008, skin.row)
    skin.tint("#8a7a3a", scar)
    bruises(bench, skin, "#c49a2a", 2, 0.06)
    return [skin]


@variety("Lime", 14, 60)
def _lime(bench: Bench) -> Pieces:
    line = [(x * 1.03, y * 0.86) for x, y in LEMON]
    skin = citrus(bench, line, "#4f8d22", "#35701a", pore=0.028, count=2000)
    skin.tint("#a3b83c", f32(0.5 * smooth(0.60, 0.95, skin.fbm(1.2, 3))))
    skin.tint("#8c8a4a", smooth(0.026, 0.008, skin.row))
    skin.look(0.6, 0.26, 0.0, 0.5)
    return [skin]
