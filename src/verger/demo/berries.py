"""Berries in the kitchen's sense, grapes, tomatoes and the physalis."""

from __future__ import annotations

import numpy as np

from verger.demo.orchard import Pieces, dots, ring, stalk, variety
from verger.demo.solids import Bench, Cloud
from verger.demo.textures import f32, smooth, turn, unit


@variety("Strawberry", 14, 22)
def _strawberry(bench: Bench) -> Pieces:
    line = [(0, 0.78), (0.22, 0.80), (0.48, 0.78), (0.72, 0.62), (0.82, 0.34), (0.76, -0.04),
            (0.60, -0.46), (0.40, -0.82), (0.20, -1.04), (0, -1.10)]  # fmt: skip
    skin = bench.body(line, "#c8101c", 0.10)
    skin.tint("#e0402a", f32(0.6 * smooth(0.4, 0.8, skin.fbm(1.5, 3))))
    skin.tint("#f0b090", f32(0.75 * smooth(0.16, 0.02, skin.row)))
    places = skin.scatter(190, None, 0.10, 1.0)
    pit = skin.spots(places, 0.105)
    skin.lift(f32(-0.034 * smooth(0.0, 0.95, pit)))
    skin.shade(f32(1 - 0.38 * smooth(0.15, 0.75, pit)))
    seed = skin.spots(places, 0.034)
    skin.tint("#e8c055", smooth(0.05, 0.4, seed))
    skin.lift(f32(0.022 * smooth(0.0, 0.6, seed)))
    skin.look(0.65, 0.34, 0.0, 0.6)
    crown = ring(bench, 9, 0.79, 0.05, 0.62, 0.15, "#4f8f28", rise=0.25, curl=-0.25)
    crown += ring(bench, 6, 0.80, 0.03, 0.42, 0.12, "#6aa83a", rise=0.7, curl=0.1, start=0.4)
    return [skin, *crown, stalk(bench, 0.76, 0.50, 0.035, "#7da646", 0.2)]


@variety("Raspberry", 18, 24)
def _raspberry(bench: Bench) -> Pieces:
    line = [(0, 0.70), (0.28, 0.78), (0.52, 0.72), (0.71, 0.44), (0.75, 0.06), (0.67, -0.40),
            (0.50, -0.82), (0.28, -1.06), (0, -1.13)]  # fmt: skip
    skin = bench.body(line, "#c01f3c", 0.06)
    places = skin.scatter(105, None, 0.04, 1.0)
    jig = f32(bench.rng.normal(0, 0.018, (2, 105)))
    cell = skin.spots((f32(places[0] + jig[0] * 0.6), f32(places[1] + jig[1] * 4)), 0.175)
    dome = np.sqrt(np.clip(1 - (1 - cell) ** 2, 0, 1))
    skin.lift(f32(0.15 * dome))
    skin.shade(f32(0.30 + 0.80 * dome**1.5))
    skin.tint("#e05a72", f32(0.35 * smooth(0.45, 0.8, cell)))
    hair = skin.spots(places, 0.02)
    skin.tint("#e7b28a", f32(0.5 * smooth(0.2, 0.6, hair)))
    skin.look(0.5, 0.22, 0.22, 0.9)
    crown = ring(bench, 5, 0.80, 0.05, 0.46, 0.11, "#7d9a4a", rise=0.45, curl=-0.3)
    core = bench.body([(x * 1.03, y * 1.03) for x, y in line], "#5a0a18", 0.0).look(0.0, 1.0)
    return [skin, core, *crown, stalk(bench, 0.74, 0.36, 0.03, "#8aa050", 0.15)]


@variety("Blueberry", 38, 22)
def _blueberry(bench: Bench) -> Pieces:
    line = [(0, 0.70), (0.16, 0.70), (0.24, 0.73), (0.30, 0.84), (0.40, 0.87), (0.66, 0.72),
            (0.92, 0.36), (0.98, -0.05), (0.86, -0.46), (0.56, -0.76), (0.2, -0.88),
            (0, -0.89)]  # fmt: skip
    skin = bench.body(line, "#2b3462")
    bloom = smooth(0.1, 0.85, skin.fbm(2.0, 4)) * (0.6 + 0.4 * smooth(0.2, 0.8, skin.fbm(9.0, 3)))
    skin.tint("#8494bd", f32(0.66 * bloom))
    skin.tint("#151a38", f32(0.85 * smooth(0.15, 0.10, skin.row)))
    skin.look(0.22, 0.5, 0.25, 0.2)
    crown = ring(bench, 5, 0.83, 0.30, 0.20, 0.13, "#3b4068", rise=1.6, curl=-0.45, fold=0.1)
    return [skin, *crown]


def bunch(bench: Bench, colours: tuple[str, str, str], bloom: float, trans: float) -> Pieces:
    """Return a bunch of grapes on a branching stem: base, shade and bloom colours are given."""
    line = [(0, 1.0), (0.3, 0.95), (0.75, 0.66), (0.93, 0.0), (0.78, -0.62), (0.35, -0.97),
            (0, -1.04)]  # fmt: skip
    fine = Bench(bench.rng, bench.step / 0.34)
    berries: list[Cloud] = []
    for _ in range(4):
        skin = fine.body(line, colours[0], 0.05)
        skin.tint(colours[1], f32(0.8 * smooth(0.35, 0.75, skin.fbm(1.4, 3))))
        skin.tint(colours[2], f32(bloom * smooth(0.2, 0.95, skin.fbm(2.5, 4))))
        skin.tint("#3b2a18", smooth(0.97, 0.99, skin.row))
        berries.append(skin.look(0.75, 0.14, 0.0, trans).cloud())
    pieces: Pieces = []
    for y, radius, count in ((0.92, 0.30, 4), (0.62, 0.56, 7), (0.25, 0.62, 8), (-0.12, 0.54, 7),
                             (-0.48, 0.42, 6), (-0.80, 0.26, 4), (-1.10, 0.03, 1)):  # fmt: skip
        spin = bench.some(0, 3.0)
        for k in range(count):
            a = spin + 2 * np.pi * (k + bench.some(0, 0.12)) / count
            r = radius * bench.some(1.0, 0.10)
            to = np.array([r * np.cos(a), y + bench.some(0, 0.08), r * np.sin(a)])
            rot = turn([-np.sin(a), 0.3, np.cos(a)], bench.some(0.5, 0.5)) @ turn([0, 1, 0], a)
            berry = berries[k % 4].moved(rot, bench.some(0.325, 0.025), to, bench.some(1.0, 0.15))
            way = unit([to[0], 0.25 * to[1], to[2]])
            pieces.append(berry.only(way @ berry.nrm > -0.55) if radius > 0.1 else berry)
    pieces.append(stalk(bench, 0.55, 1.0, 0.05, "#8a8a48", 0.25))
    for k in range(4):
        a = k * 1.7
        path = [(0.0, 1.05, 0.0), (0.2 * np.cos(a), 1.08, 0.2 * np.sin(a)),
                (0.45 * np.cos(a), 0.8, 0.45 * np.sin(a))]  # fmt: skip
        pieces.append(bench.tube(path, [0.035, 0.025], "#94964e").look(0.1, 0.7))
    return pieces


@variety("Grape Blue", 14, 12)
def _grape_blue(bench: Bench) -> Pieces:
    return bunch(bench, ("#2a1a44", "#45204e", "#6d78a8"), 0.55, 0.4)


@variety("Grape White", 14, 12)
def _grape_white(bench: Bench) -> Pieces:
    return bunch(bench, ("#b4bb4c", "#98aa3a", "#d8dca0"), 0.35, 1.0)


@variety("Tomato", 34, 20)
def _tomato(bench: Bench) -> Pieces:
    line = [(0, 0.58), (0.10, 0.60), (0.26, 0.70), (0.50, 0.72), (0.82, 0.50), (0.99, 0.10),
            (0.94, -0.28), (0.72, -0.58), (0.40, -0.72), (0.12, -0.74), (0, -0.73)]  # fmt: skip
    skin = bench.body(line, "#cf2012", 0.06)
    skin.lift(f32(0.030 * np.cos(6 * skin.phi + 0.6) * smooth(0.55, 0.08, skin.row)))
    skin.tint("#e2481a", f32(0.7 * smooth(0.4, 0.8, skin.fbm(1.3, 3))))
    skin.tint("#c98a2a", f32(0.55 * smooth(0.20, 0.04, skin.row)))
    skin.tint("#6a4a20", smooth(0.985, 0.995, skin.row))
    skin.look(0.85, 0.12, 0.0, 0.6)
    crown = ring(bench, 6, 0.63, 0.03, 0.55, 0.085, "#4d7f26", rise=0.22, curl=0.05, fold=0.3)
    return [skin, *crown, stalk(bench, 0.56, 0.34, 0.045, "#5f8a30", 0.14)]


@variety("Tomato Cherry Red", 22, 20)
def _tomato_cherry(bench: Bench) -> Pieces:
    line = [(0, 0.84), (0.10, 0.86), (0.28, 0.90), (0.56, 0.80), (0.82, 0.48), (0.90, 0.02),
            (0.82, -0.46), (0.56, -0.82), (0.24, -0.98), (0, -1.0)]  # fmt: skip
    skin = bench.body(line, "#d8260f", 0.03)
    skin.tint("#ea5a18", f32(0.65 * smooth(0.4, 0.8, skin.fbm(1.2, 3))))
    dots(bench, skin, "#f08a4a", 220, 0.012, 0.4)
    skin.look(0.95, 0.07, 0.0, 0.8)
    crown = ring(bench, 5, 0.875, 0.02, 0.52, 0.07, "#4a8426", rise=0.5, curl=0.35, fold=0.3)
    return [skin, *crown, stalk(bench, 0.82, 0.50, 0.035, "#5f8f30", 0.25)]


@variety("Physalis", 30, 20)
def _physalis(bench: Bench) -> Pieces:
    line = [(0, 0.66), (0.2, 0.64), (0.48, 0.46), (0.66, 0.06), (0.56, -0.36), (0.28, -0.60),
            (0, -0.66)]  # fmt: skip
    skin = bench.body(line, "#ee8a14", 0.03)
    skin.tint("#f5b02c", f32(0.7 * smooth(0.4, 0.8, skin.fbm(1.8, 3))))
    dots(bench, skin, "#c8640c", 90, 0.012, 0.5)
    skin.look(0.85, 0.12, 0.0, 0.8)
    husk: Pieces = []
    for k in range(5):
        a = 2 * np.pi * k / 5
        x, z = float(np.cos(a)), float(np.sin(a))
        leaf = bench.leaf((x * 0.05, -0.70, z * 0.05), (x, 0.30, z), (-0.3 * x, 1, -0.3 * z),
                          1.45 * bench.some(1, 0.08), 0.46, "#d8b878",
                          curl=0.35, fold=-0.35)  # fmt: skip
        vein = smooth(0.55, 0.75, leaf.fbm((14, 14, 14), 3))
        husk.append(leaf.tint("#a8803e", f32(0.6 * vein)).look(0.08, 0.7, 0.0, 0.9))
    return [skin, *husk, bench.tube([(0, -1.1, 0), (0, -0.66, 0)], [0.035, 0.04], "#9a8a48")]
