"""`python -m benchmarks.maps STORE …`: the map by neighbours beside openTSNE: seconds and faith.

Of the photos that a report's map shows, by their features. *Kept* is the share of a photo's 10
nearest on the map that are among its 30 nearest by their features (cosine), *trust* the
trustworthiness of 10 neighbours (J. Venna and S. Kaski, 2001), *purity* the share of the 10 nearest
on the map that carry the photo's label. openTSNE runs as it comes (perplexity 30, 750 steps).

    --new SHARE …   instead: such a share of the photos is taken off the map, and placed on it
                    again, in as many steps as Verger takes and in others; of these photos
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from verger.report import tsne
from verger.report.data import build
from verger.report.neighbours import nearest
from verger.report.positions import LOOKED_AT, by_components, by_earlier_neighbours, by_neighbours
from verger.store.store import Store

_ORIGINAL = 30
_COMPONENTS = 50
_ROWS = 1024
_STEPS = (10, 30, 100)
_EVERY = slice(None)

Points = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def main() -> None:
    """Lay out, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--new", nargs="+", type=float, default=[])
    options = parser.parse_args()
    if options.new:
        _placed_again(options.stores, options.new)
        return
    print("| photos | map | s | processor, s | kept | trust | purity |")
    print("|---|---|---|---|---|---|---|")
    for store in options.stores:
        report = build(Store(store), "pca")
        features = report.sample.features[report.map_rows]
        codes, projected = report.codes[report.map_rows], report.pca.transform(features)
        near = nearest(features, LOOKED_AT).index
        maps: dict[str, Callable[[], Points]] = {
            "two components": partial(_flat, projected),
            "Verger": partial(_verger, near, projected),
            "openTSNE, one thread": partial(_opentsne, projected, 1),
            "openTSNE, all cores": partial(_opentsne, projected, -1),
        }
        for name, made in maps.items():
            start, before = time.perf_counter(), os.times()
            points = made()
            wall, after = time.perf_counter() - start, os.times()
            spent = after.user + after.system - before.user - before.system
            kept, pure = faith(points, near[:, :_ORIGINAL], codes)
            trust = trustworthiness(points, features)
            print(
                f"| {len(points):,} | {name} | {wall:.1f} | {spent:.1f} | {kept:.1%} "
                f"| {trust:.3f} | {pure:.1%} |",
                flush=True,
            )


def _placed_again(stores: list[Path], shares: list[float]) -> None:
    print("| photos | new | steps | s | kept | purity | as first laid out: kept | purity |")
    print("|---|---|---|---|---|---|---|---|")
    for store in stores:
        report = build(Store(store), "pca")
        features = report.sample.features[report.map_rows]
        codes, projected = report.codes[report.map_rows], report.pca.transform(features)
        near = nearest(features, LOOKED_AT).index
        whole = _verger(near, projected)
        for share in shares:
            new = np.random.default_rng(0).random(len(near)) < share
            earlier = np.where(new[:, None], np.float32(np.nan), whole)
            first = faith(whole, near[:, :_ORIGINAL], codes, of=new)
            for steps in _STEPS:
                tsne.SETTLING = steps
                start = time.perf_counter()
                points = by_earlier_neighbours(near, projected, earlier).points
                wall = time.perf_counter() - start
                kept, pure = faith(points, near[:, :_ORIGINAL], codes, of=new)
                print(
                    f"| {len(points):,} | {share:.0%} | {steps} | {wall:.2f} | {kept:.1%} "
                    f"| {pure:.1%} | {first[0]:.1%} | {first[1]:.1%} |",
                    flush=True,
                )


def _flat(projected: Points) -> Points:
    return by_components(projected).points


def _verger(near: Ints, projected: Points) -> Points:
    return by_neighbours(near, projected).points


def _opentsne(projected: Points, threads: int) -> Points:
    from openTSNE import TSNE

    model = TSNE(n_jobs=threads, random_state=0)
    return np.asarray(model.fit(projected[:, :_COMPONENTS].astype(np.float64)), np.float32)


def faith(
    points: Points,
    near: Ints,
    codes: Ints,
    k: int = 10,
    of: npt.NDArray[np.bool_] | slice = _EVERY,
) -> tuple[float, float]:
    """Return how many of the k nearest on the map were near, and how many carry the label."""
    nearby = _closest(points, k)
    kept = (nearby[of, :, None] == near[of, None]).any(axis=2).mean()
    return float(kept), float((codes[nearby[of]] == codes[of, None]).mean())


def trustworthiness(points: Points, features: Points, k: int = 10) -> float:
    """Return 1, less for each photo that is near on the map the further off it was by cosine."""
    n, unit = len(points), features / np.linalg.norm(features, axis=1, keepdims=True)
    nearby, penalty = _closest(points, k), 0
    for at in range(0, n, _ROWS):
        cosines = unit[at : at + _ROWS] @ unit.T
        own = np.arange(len(cosines))
        cosines[own, at + own] = np.inf
        ranks = np.empty(cosines.shape, np.int64)
        np.put_along_axis(ranks, np.argsort(-cosines, axis=1), np.arange(n)[None], axis=1)
        found = np.take_along_axis(ranks, nearby[at : at + _ROWS], axis=1)
        penalty += int(np.maximum(found - k, 0).sum())
    return 1 - 2 * penalty / (n * k * (2 * n - 3 * k - 1))


def _closest(points: Points, k: int) -> Ints:
    """Return the k nearest other points of each, in any order."""
    out = []
    places = points.astype(np.float64)
    squares = (places**2).sum(axis=1)
    for at in range(0, len(places), _ROWS):
        apart = squares - 2 * places[at : at + _ROWS] @ places.T
        own = np.arange(len(apart))
        apart[own, at + own] = np.inf
        out.append(np.argpartition(apart, k, axis=1)[:, :k])
    return np.concatenate(out)


if __name__ == "__main__":
    main()
