"""Stone fruit: peaches, plums and cherries."""

from __future__ import annotations

import numpy as np

from verger.demo.orchard import Pieces, blush, dots, stalk, variety
from verger.demo.solids import Bench, Skin
from verger.demo.textures import Points, f32, smooth


def seam(skin: Skin, depth: float, width: float = 0.13) -> None:
    """Press the furrow of a stone fruit in, along the meridian phi = 0."""
    away = np.abs((skin.phi + np.pi) % (2 * np.pi) - np.pi)
    groove = np.exp(-((away / width) ** 2)) * np.sin(np.pi * np.clip(skin.row, 0, 1)) ** 0.5
    skin.lift(f32(-depth * groove)).shade(f32(1 - 2.2 * depth * groove))


STONE: Points = [(0, 0.76), (0.06, 0.77), (0.15, 0.86), (0.34, 0.93), (0.62, 0.82), (0.87, 0.52),
                 (0.97, 0.08), (0.90, -0.36), (0.67, -0.72), (0.36, -0.93), (0.12, -0.985),
                 (0, -1.00)]  # fmt: skip


@variety("Peach", 30, 22)
def _peach(bench: Bench) -> Pieces:
    skin = bench.body(STONE, "#eba64e")
    seam(skin, 0.07)
    w = blush(skin, "#cf4a3a", 0.52, 0.42)
    skin.tint("#a3232f", f32(w * 0.7 * smooth(0.30, 0.95, skin.fbm((4, 3, 4), 4))))
    skin.shade(f32((0.90 + 0.2 * skin.fbm(26.0, 2)) * (1 - 0.5 * smooth(0.07, 0.0, skin.row))))
    skin.tint("#d9a94c", f32(0.6 * smooth(0.12, 0.03, skin.row)))
    skin.look(0.03, 0.9, 0.55, 0.5)
    return [skin, stalk(bench, 0.66, 0.16, 0.05, "#6b4a26", 0.03)]


@variety("Nectarine", 30, 22)
def _nectarine(bench: Bench) -> Pieces:
    skin = bench.body([(x, y * 0.98) for x, y in STONE], "#e58a2a")
    seam(skin, 0.05, 0.11)
    w = blush(skin, "#b3202a", 0.66, 0.34)
    skin.tint("#6f0d1c", f32(w * 0.75 * smooth(0.30, 0.95, skin.fbm((3, 2, 3), 4))))
    dots(bench, skin, "#f0b25c", 240, 0.013, 0.6)
    skin.shade(f32(1 - 0.5 * smooth(0.07, 0.0, skin.row)))
    skin.look(0.8, 0.18, 0.0, 0.5)
    return [skin, stalk(bench, 0.66, 0.16, 0.05, "#6b4a26", 0.03)]


@variety("Apricot", 26, 24)
def _apricot(bench: Bench) -> Pieces:
    skin = bench.body([(x * 0.93, y) for x, y in STONE], "#f0a032")
    seam(skin, 0.06, 0.13)
    blush(skin, "#dd5a2c", 0.24, 0.26)
    dots(bench, skin, "#b4461f", 130, 0.018, 0.6)
    skin.shade(f32((0.93 + 0.14 * skin.fbm(22.0, 2)) * (1 - 0.5 * smooth(0.06, 0.0, skin.row))))
    skin.look(0.08, 0.7, 0.38, 0.6)
    return [skin]


PLUM: Points = [(0, 1.02), (0.06, 1.03), (0.15, 1.09), (0.32, 1.08), (0.56, 0.88), (0.74, 0.45),
                (0.79, 0.0), (0.72, -0.45), (0.52, -0.86), (0.26, -1.10), (0, -1.18)]  # fmt: skip


@variety("Plum", 16, 40)
def _plum(bench: Bench) -> Pieces:
    skin = bench.body(PLUM, "#3b1745")
    seam(skin, 0.05, 0.12)
    skin.tint("#6a1c3c", f32(0.8 * smooth(0.3, 0.9, skin.fbm(1.3, 3))))
    bloom = smooth(0.15, 0.9, skin.fbm(1.9, 4)) * (0.55 + 0.45 * smooth(0.2, 0.8, skin.fbm(9.0, 3)))
    skin.tint("#8a86b4", f32(0.52 * bloom))
    dots(bench, skin, "#b69a9a", 110, 0.013, 0.5)
    skin.look(0.40, 0.35, 0.12, 0.3)
    return [skin, stalk(bench, 1.0, 0.34, 0.030, "#6a6a30", 0.12)]


@variety("Mirabelle", 24, 30)
def _mirabelle(bench: Bench) -> Pieces:
    skin = bench.body([(x * 1.12, y * 0.88) for x, y in PLUM], "#e0b02c")
    seam(skin, 0.03, 0.10)
    skin.tint("#c9b238", f32(0.7 * smooth(0.4, 0.8, skin.fbm(1.4, 3))))
    blush(skin, "#d77b2c", 0.20, 0.25)
    dots(bench, skin, "#a8331f", 210, 0.024, 0.8)
    skin.tint("#efe2b0", f32(0.22 * smooth(0.2, 0.9, skin.fbm(3.0, 3))))
    skin.look(0.45, 0.3, 0.10, 0.7)
    return [skin, stalk(bench, 0.86, 0.42, 0.026, "#7d6a2c", 0.16)]


def long_stem(bench: Bench, foot: float, height: float, colour: str) -> Skin:
    """Return the long thin stem of a cherry, thicker where it left the tree."""
    x, z = bench.some(0.0, 0.35) + 0.25, bench.some(0.0, 0.25)
    path = [(0.0, foot, 0.0), (x * 0.1, foot + height * 0.35, z * 0.1),
            (x * 0.45, foot + height * 0.7, z * 0.5), (x, foot + height, z)]  # fmt: skip
    skin = bench.tube(path, [0.05, 0.034, 0.03, 0.03, 0.035, 0.065], colour)
    return skin.look(0.25, 0.5, 0.0, 0.2)


CHERRY: Points = [(0, 0.66), (0.08, 0.68), (0.20, 0.79), (0.42, 0.85), (0.70, 0.74), (0.92, 0.40),
                  (0.96, 0.0), (0.84, -0.42), (0.58, -0.76), (0.26, -0.93), (0, -0.96)]  # fmt: skip


@variety("Cherry", 18, 14)
def _cherry(bench: Bench) -> Pieces:
    skin = bench.body(CHERRY, "#7a0a18")
    seam(skin, 0.03, 0.2)
    skin.tint("#a01222", f32(0.8 * smooth(0.25, 0.9, skin.fbm(1.2, 3))))
    skin.tint("#3c040c", f32(0.4 * smooth(0.4, 1.0, skin.fbm(1.7, 2))))
    skin.look(0.95, 0.08, 0.0, 0.5)
    return [skin, long_stem(bench, 0.63, 1.35, "#6f8a2e")]


@variety("Cherry Rainier", 18, 14)
def _rainier(bench: Bench) -> Pieces:
    skin = bench.body(CHERRY, "#eab64a")
    seam(skin, 0.03, 0.2)
    blush(skin, "#d23a2c", 0.52, 0.32)
    skin.tint("#b81f26", f32(0.35 * smooth(0.4, 1.0, skin.fbm(2.2, 3))))
    dots(bench, skin, "#f4d48a", 160, 0.014, 0.4)
    skin.look(0.9, 0.09, 0.0, 0.7)
    return [skin, long_stem(bench, 0.63, 1.25, "#8a8a34")]
