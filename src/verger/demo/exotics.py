"""Fruit from further away, and melons."""

from __future__ import annotations

import numpy as np

from verger.demo.orchard import Pieces, bruises, dots, ring, stalk, variety
from verger.demo.solids import Bench
from verger.demo.textures import GOLDEN, f32, smooth


@variety("Banana", 62, 8)
def _banana(bench: Bench) -> Pieces:
    a = np.linspace(-1.02, 1.05, 9)
    r = 1.35 * (1 + 0.05 * np.abs(a))
    arc = [
        (float(q * np.sin(t)), 0.0, float(1.0 - q * np.cos(t))) for t, q in zip(a, r, strict=True)
    ]
    path = [(-1.55, 0.0, 0.60), *arc[1:-1], (1.50, 0.02, 0.42)]
    radii = [0.075, 0.085, 0.10, 0.22, 0.285, 0.31, 0.32, 0.315, 0.305, 0.285, 0.24, 0.14, 0.07,
             0.06]  # fmt: skip
    skin = bench.tube(path, radii, "#eec62b")
    skin.lift(f32(0.016 * np.cos(5 * skin.phi) * np.sin(np.pi * skin.row) ** 0.6))
    skin.tint("#dba81c", f32(0.55 * smooth(0.72, 1.0, f32(np.cos(5 * skin.phi)) + 0 * skin.row)))
    skin.tint("#b7b833", f32(0.8 * smooth(0.26, 0.08, skin.row)))
    skin.tint("#b7b833", f32(0.6 * smooth(0.85, 0.97, skin.row)))
    skin.tint("#e0b01c", f32(0.6 * smooth(0.4, 0.8, skin.fbm(1.8, 3))))
    dots(bench, skin, "#6b4316", 90, 0.022, 0.75)
    bruises(bench, skin, "#7a5220", 5, 0.06)
    skin.tint("#3a2a18", smooth(0.955, 0.975, skin.row))
    skin.tint("#5a4a22", smooth(0.045, 0.02, skin.row))
    return [skin.look(0.28, 0.45, 0.0, 0.55)]


@variety("Kiwi", 16, 62)
def _kiwi(bench: Bench) -> Pieces:
    line = [(0, 0.98), (0.10, 1.00), (0.20, 0.99), (0.46, 0.84), (0.70, 0.50), (0.78, 0.02),
            (0.70, -0.48), (0.46, -0.84), (0.20, -1.0), (0.08, -1.02), (0, -0.98)]  # fmt: skip
    skin = bench.body(line, "#7d5a2c")
    skin.tint("#97733a", f32(0.8 * smooth(0.35, 0.8, skin.fbm(2.0, 3))))
    hair = skin.fbm((55, 16, 55), 2)
    skin.shade(f32(0.62 + 0.75 * hair)).lift(f32(0.022 * (hair - 0.5)))
    skin.tint("#3e2a14", f32(smooth(0.05, 0.025, skin.row) + smooth(0.955, 0.98, skin.row)))
    skin.look(0.03, 0.9, 0.38, 0.2)
    nub = bench.tube([(0, 0.94, 0), (0, 1.04, 0)], [0.10, 0.07], "#4a3418").look(0.0, 1.0)
    return [skin, nub]


@variety("Mango", 16, 52)
def _mango(bench: Bench) -> Pieces:
    line = [(0, 1.10), (0.14, 1.10), (0.42, 0.98), (0.70, 0.66), (0.82, 0.18), (0.78, -0.32),
            (0.62, -0.76), (0.38, -1.08), (0.14, -1.22), (0, -1.24)]  # fmt: skip
    skin = bench.body(line, "#dfa42a", 0.06)
    y = skin.at[..., 1]
    skin.pos = f32(skin.pos * f32([1.0, 1.0, 0.84]))
    skin.pos[..., 0] += 0.16 * np.clip(-y, 0, None) ** 1.6 - 0.05 * y
    side = 0.5 + 0.5 * np.cos(skin.phi - 0.4) + 0.35 * y + 0.7 * (skin.fbm(1.3, 3) - 0.5)
    skin.tint("#7d9a2c", smooth(0.42, 0.05, f32(side)))
    skin.tint("#c8402a", f32(0.9 * smooth(0.62, 1.10, f32(side))))
    dots(bench, skin, "#f0d78a", 420, 0.013, 0.55)
    bruises(bench, skin, "#5a3a1c", 3, 0.05)
    skin.look(0.5, 0.3, 0.0, 0.6)
    stem = stalk(bench, 1.04, 0.14, 0.055, "#6a4a28", 0.03)
    stem.pos[..., 0] -= 0.055
    return [skin, stem]


@variety("Avocado", 14, 22)
def _avocado(bench: Bench) -> Pieces:
    line = [(0, 1.16), (0.10, 1.17), (0.24, 1.10), (0.37, 0.84), (0.48, 0.48), (0.66, 0.10),
            (0.78, -0.30), (0.74, -0.68), (0.52, -0.98), (0.22, -1.12), (0, -1.14)]  # fmt: skip
    skin = bench.body(line, "#35421d", 0.08)
    skin.tint("#1d2412", f32(0.9 * smooth(0.4, 0.75, skin.fbm(1.6, 3))))
    wart = skin.spots(skin.scatter(1500, bench.rng), 0.045)
    skin.lift(f32(0.022 * smooth(0.0, 0.9, wart)))
    skin.tint("#4d5a26", f32(0.6 * smooth(0.25, 0.95, wart)))
    skin.look(0.55, 0.28, 0.0, 0.2)
    return [skin, stalk(bench, 1.10, 0.16, 0.07, "#8a6a3a", 0.03)]


@variety("Fig", 14, 24)
def _fig(bench: Bench) -> Pieces:
    line = [(0, 1.16), (0.08, 1.15), (0.13, 1.02), (0.20, 0.78), (0.40, 0.46), (0.72, 0.10),
            (0.88, -0.30), (0.80, -0.64), (0.52, -0.88), (0.22, -0.95), (0.08, -0.93),
            (0, -0.91)]  # fmt: skip
    skin = bench.body(line, "#3e1e40", 0.08)
    skin.tint("#642c4e", f32(0.8 * smooth(0.4, 0.8, skin.fbm(1.5, 3))))
    neck = smooth(0.55, 0.12, f32(skin.row + 0.25 * (skin.streaks(5, 0.3) - 0.5)))
    skin.tint("#8c9450", f32(0.85 * neck))
    rib = smooth(0.52, 0.64, skin.streaks(9, 0.25, 2))
    skin.tint("#8a5c78", f32(0.55 * rib))
    skin.lift(f32(0.020 * rib + 0.02 * np.cos(11 * skin.phi) * (1 - skin.row)))
    dots(bench, skin, "#cdb8b8", 130, 0.014, 0.55)
    skin.tint("#a03a3a", smooth(0.965, 0.985, skin.row))
    return [skin.look(0.2, 0.5, 0.18, 0.3), stalk(bench, 1.08, 0.18, 0.07, "#7d8448", 0.05)]


@variety("Pomegranate", 28, 26)
def _pomegranate(bench: Bench) -> Pieces:
    line = [(0, 0.90), (0.16, 0.92), (0.30, 0.93), (0.60, 0.80), (0.90, 0.44), (0.99, 0.0),
            (0.88, -0.44), (0.58, -0.78), (0.22, -0.92), (0, -0.93)]  # fmt: skip
    skin = bench.body(line, "#b3202c", 0.07)
    skin.lift(f32(0.022 * np.cos(6 * skin.phi) * np.sin(np.pi * skin.row)))
    skin.tint("#d2583a", f32(0.8 * smooth(0.3, 0.9, skin.fbm(1.4, 4))))
    skin.tint("#d9a04e", f32(0.45 * smooth(0.50, 1.0, skin.fbm(1.7, 5))))
    skin.tint("#7c1420", f32(0.5 * smooth(0.5, 0.9, skin.fbm(3.0, 3))))
    dots(bench, skin, "#6a2a1c", 160, 0.018, 0.5)
    skin.look(0.5, 0.3, 0.0, 0.4)
    neck = bench.tube([(0, 0.82, 0), (0, 1.02, 0), (0, 1.10, 0)], [0.30, 0.20, 0.22], "#b0402c")
    crown = ring(bench, 6, 1.04, 0.17, 0.36, 0.15, "#c05a34", rise=1.9, curl=-0.35, fold=0.25)
    return [skin, neck.look(0.3, 0.4), *crown]


@variety("Passion Fruit", 26, 34)
def _passion(bench: Bench) -> Pieces:
    line = [(0, 0.94), (0.12, 0.95), (0.34, 0.91), (0.66, 0.70), (0.88, 0.32), (0.91, -0.10),
            (0.78, -0.54), (0.50, -0.82), (0.18, -0.94), (0, -0.95)]  # fmt: skip
    skin = bench.body(line, "#43182f", 0.06)
    skin.tint("#6b2a3e", f32(0.8 * smooth(0.4, 0.8, skin.fbm(1.6, 3))))
    crease = smooth(0.16, 0.0, f32(np.abs(skin.fbm(1.9, 2) - 0.5)))
    crease *= smooth(0.4, 0.7, skin.fbm(1.3, 2))
    skin.lift(f32(-0.05 * crease + 0.035 * (skin.fbm(3.6, 2) - 0.5)))
    skin.shade(f32(1 - 0.25 * crease))
    dots(bench, skin, "#c99a94", 420, 0.017, 0.65)
    return [skin.look(0.38, 0.35, 0.08, 0.2), stalk(bench, 0.90, 0.20, 0.04, "#6f6238", 0.08)]


@variety("Pineapple", 12, 13)
def _pineapple(bench: Bench) -> Pieces:
    line = [(0, 0.80), (0.24, 0.80), (0.46, 0.70), (0.59, 0.42), (0.65, 0.0), (0.65, -0.45),
            (0.58, -0.84), (0.42, -1.06), (0.18, -1.12), (0, -1.12)]  # fmt: skip
    skin = bench.body(line, "#b07a22", 0.03)
    places = skin.scatter(128, None, 0.08, 0.97)
    eye = skin.spots(places, 0.175)
    dome = np.sqrt(np.clip(1 - (1 - eye) ** 2, 0, 1))
    skin.lift(f32(0.075 * dome))
    skin.tint("#d59a2a", f32(0.8 * smooth(0.20, 0.5, eye)))
    skin.tint("#8f8f30", f32(0.6 * smooth(0.3, 0.7, eye) * smooth(0.50, 0.20, skin.row)))
    skin.shade(f32(0.30 + 0.75 * smooth(0.0, 0.45, eye)))
    tip = skin.spots(places, 0.06)
    skin.tint("#4a2c12", f32(0.9 * smooth(0.15, 0.6, tip))).lift(f32(0.05 * smooth(0.2, 0.9, tip)))
    skin.look(0.25, 0.4, 0.0, 0.5)
    crown: Pieces = []
    for k in range(46):
        a, up = k * GOLDEN, k / 45
        x, z = float(np.cos(a)), float(np.sin(a))
        r = 0.22 * (1 - 0.8 * up)
        leaf = bench.leaf((x * r, 0.74 + 0.22 * up, z * r), (x, 0.7 + 3.4 * up, z), (-x, 0.6, -z),
                          bench.some(0.70, 0.08) + 0.28 * np.sin(np.pi * up), 0.085,
                          "#4f7a34" if k % 3 else "#6a8f48",
                          curl=-0.28 * (1 - 0.7 * up), fold=0.7)  # fmt: skip
        crown.append(leaf.look(0.3, 0.4))
    return [skin, *crown]


@variety("Coconut", 24, 34)
def _coconut(bench: Bench) -> Pieces:
    line = [(0, 0.98), (0.18, 0.96), (0.50, 0.80), (0.80, 0.46), (0.92, 0.0), (0.84, -0.46),
            (0.56, -0.82), (0.22, -0.98), (0, -1.02)]  # fmt: skip
    skin = bench.body(line, "#6a4424", 0.07)
    skin.at = f32(skin.pos + 0.25 * (skin.fbm(2.5, 3)[..., None] - 0.5) * f32([1.0, 0.2, -1.0]))
    fibre = f32(0.6 * skin.fbm((17, 2.2, 17), 3) + 0.4 * skin.fbm((40, 6, 40), 2))
    skin.lift(f32(0.050 * (fibre - 0.5) + 0.02 * np.cos(3 * skin.phi)))
    skin.tint("#a67c48", f32(0.85 * smooth(0.50, 0.75, fibre)))
    skin.tint("#3a2412", f32(0.85 * smooth(0.48, 0.25, fibre)))
    eyes = (f32([0.09, 0.09, 0.09]), f32([0.3, 2.4, 4.5]))
    eye = skin.spots(eyes, 0.15)
    skin.tint("#24160c", smooth(0.0, 0.3, eye)).lift(f32(-0.05 * smooth(0.0, 0.8, eye)))
    core = bench.body([(x * 0.93, y * 0.93) for x, y in line], "#24160c", 0.07).look(0.0, 1.0)
    return [skin.look(0.08, 0.7, 0.10, 0.1), core]


@variety("Watermelon", 18, 56)
def _watermelon(bench: Bench) -> Pieces:
    line = [(0, 0.97), (0.10, 0.99), (0.30, 0.98), (0.62, 0.80), (0.86, 0.46), (0.93, 0.0),
            (0.86, -0.46), (0.62, -0.80), (0.28, -0.98), (0.10, -1.0), (0, -0.98)]  # fmt: skip
    skin = bench.body(line, "#9dba62", 0.03)
    jag = 0.9 * (skin.fbm((2.5, 5.0, 2.5), 4) - 0.5) + 0.25 * (skin.fbm(14.0, 2) - 0.5)
    band = np.cos(9 * skin.phi + 2.4 * jag) + 0.9 * jag + 0.15
    skin.tint("#1f4a1c", smooth(0.05, 0.45, f32(band)))
    skin.tint("#6d9a48", f32(0.45 * smooth(0.5, 0.7, skin.fbm(9.0, 3))))
    skin.tint("#c9b860", f32(0.7 * smooth(0.30, 0.60, skin.spots((f32([0.6]), f32([2.0])), 0.75))))
    skin.look(0.55, 0.25, 0.0, 0.3)
    skin.tint("#6b5a2a", smooth(0.985, 0.995, skin.row))
    return [skin, stalk(bench, 0.94, 0.20, 0.05, "#6f6a30", 0.10)]


@variety("Melon Cantaloupe", 22, 46)
def _cantaloupe(bench: Bench) -> Pieces:
    line = [(0, 0.93), (0.12, 0.95), (0.34, 0.93), (0.66, 0.74), (0.90, 0.40), (0.96, 0.0),
            (0.88, -0.42), (0.62, -0.76), (0.28, -0.94), (0, -0.98)]  # fmt: skip
    skin = bench.body(line, "#c29a52", 0.03)
    furrow = smooth(-0.80, -1.0, f32(np.cos(10 * skin.phi))) * np.sin(np.pi * skin.row) ** 0.5
    net = np.minimum(np.abs(skin.fbm(6.0, 2) - 0.5), np.abs(skin.fbm((7.1, 6.2, 6.8), 2) - 0.47))
    web = smooth(0.050, 0.012, f32(net)) * (1 - 0.85 * furrow)
    skin.tint("#a8924a", f32(0.7 * smooth(0.4, 0.7, skin.fbm(1.5, 2))))
    skin.tint("#e6d5ab", f32(0.9 * web)).lift(f32(0.018 * web - 0.045 * furrow))
    skin.tint("#6f8a3e", f32(0.8 * furrow))
    return [skin.look(0.10, 0.7, 0.0, 0.3), stalk(bench, 0.88, 0.18, 0.08, "#8a8248", 0.04)]
