"""`python -m benchmarks.neighbours GALLERY QUERIES`: how often the nearest neighbour has the label.

Both are folders of labelled photos (the label is the folder's name). It embeds both, fits PCA and
the discriminant projection to GALLERY, and names each photo of QUERIES by its nearest neighbours
(cosine) in raw, PCA and discriminant space; then the same by cross-validation within GALLERY, where
each label's photos are cut into 5 runs of neighbouring names, so that bursts stay together.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from verger.pipeline import run
from verger.progress import reporter
from verger.projections.discriminant import fit_discriminant
from verger.projections.moments import Moments, root_unit, unit_length
from verger.projections.pca import fit_pca
from verger.settings import RunSettings
from verger.store.layout import FEATURES

_SHRINKAGES = (0.1, 0.2, 0.3, 0.5, 0.7)
_FOLDS = 5
_PCA = 128


class Photos(NamedTuple):
    """Features (n, d) and labels (n,), in the order of paths."""

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.str_]


def main() -> None:
    """Embed, measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gallery", type=Path)
    parser.add_argument("queries", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as folder:
        gallery = _embedded(options.gallery, Path(folder) / "gallery")
        queries = _embedded(options.queries, Path(folder) / "queries")
    print(f"gallery {len(gallery.labels)} photos of {len(set(gallery.labels))} labels")
    print(f"queries {len(queries.labels)} photos of {len(set(queries.labels))} labels\n")
    print(
        "| space | queries, 1 neighbour | queries, 5 | cross-validation, 1 | cross-validation, 5 |"
    )
    print("|---|---|---|---|---|")
    apart = _accuracies(gallery, queries)
    folds = [_accuracies(*pair) for pair in _folds(gallery)]
    for space, (one, five) in apart.items():
        crossed = np.mean([fold[space] for fold in folds], axis=0)
        print(f"| {space} | {one:.1%} | {five:.1%} | {crossed[0]:.1%} | {crossed[1]:.1%} |")


def _embedded(photos: Path, store: Path) -> Photos:
    run(photos, store, RunSettings(csv=False), reporter(quiet=not sys.stderr.isatty()))
    table = pq.read_table(store / FEATURES, columns=["path", "label", "features"]).sort_by("path")
    lists = table["features"].combine_chunks()
    rows = np.asarray(lists.flatten()).reshape(len(table), -1)
    return Photos(rows, np.array(table["label"].to_pylist()))


def _accuracies(gallery: Photos, queries: Photos) -> dict[str, tuple[float, float]]:
    pca = fit_pca(Moments.of(gallery.features), _PCA)
    spaces = {
        "raw": (gallery.features, queries.features),
        f"PCA {_PCA}": (pca.transform(gallery.features), pca.transform(queries.features)),
    }
    moments = Moments.of(root_unit(gallery.features), gallery.labels.tolist())
    for shrinkage in _SHRINKAGES:
        model = fit_discriminant(moments, shrinkage)
        spaces[f"discriminant, shrinkage {shrinkage}"] = (
            model.transform(gallery.features),
            model.transform(queries.features),
        )
    return {
        name: (
            _accuracy(near, gallery.labels, far, queries.labels, 1),
            _accuracy(near, gallery.labels, far, queries.labels, 5),
        )
        for name, (near, far) in spaces.items()
    }


def _accuracy(
    gallery: npt.NDArray[np.float32],
    labels: npt.NDArray[np.str_],
    queries: npt.NDArray[np.float32],
    truth: npt.NDArray[np.str_],
    neighbours: int,
) -> float:
    """Share of queries whose neighbours, weighted by cosine, vote for the true label."""
    similarity = unit_length(queries) @ unit_length(gallery).T
    nearest = np.argsort(-similarity, axis=1)[:, :neighbours]
    right = 0
    for row, (near, true) in enumerate(zip(nearest, truth, strict=True)):
        names, votes = np.unique(labels[near], return_inverse=True)
        right += names[np.bincount(votes, similarity[row, near]).argmax()] == true
    return right / len(truth)


def _folds(photos: Photos) -> Iterator[tuple[Photos, Photos]]:
    fold = np.zeros(len(photos.labels), dtype=int)
    for label in np.unique(photos.labels):
        (mine,) = np.nonzero(photos.labels == label)
        fold[mine] = np.arange(len(mine)) * _FOLDS // len(mine)
    for number in range(_FOLDS):
        held = fold == number
        yield (
            Photos(photos.features[~held], photos.labels[~held]),
            Photos(photos.features[held], photos.labels[held]),
        )


if __name__ == "__main__":
    main()
