"""Galleries for the tests, from features drawn at random: no photo, no network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from verger.gallery import build_gallery
from verger.projections.discriminant import fit_discriminant, save_discriminant
from verger.projections.moments import Moments, root_unit
from verger.projections.pca import fit_pca, save_pca

D = 24
LABELS = (
    "Apple Braeburn 1", "Apple Golden 1", "Apple Red 1", "Carton", "Lemon", "Mango", "Plum",
)  # fmt: skip


def features_of(
    labels: Sequence[str | None], seed: int = 0, spread: float = 0.35
) -> npt.NDArray[np.float32]:
    """Draw features (n, D), none negative, around a centre for each label; apples lie together."""
    centres = {}
    for name in sorted({str(label) for label in labels}):
        own = np.random.default_rng([len(name), *name.encode()]).gamma(1.0, 1.0, D)
        species = np.random.default_rng(list(name.split()[0].encode())).gamma(1.0, 1.0, D)
        centres[name] = 0.4 * own + species
    rng = np.random.default_rng(seed)
    rows = [np.abs(centres[str(label)] + rng.normal(0, spread, D)) for label in labels]
    return np.array(rows, dtype=np.float32).reshape(len(labels), D)


def write_store(
    store: Path,
    labels: list[str | None],
    rows: npt.NDArray[np.float32],
    *,
    files: int = 2,
    paths: list[str] | None = None,
) -> Path:
    """Write features/ in so many files, fit the projections, and build the gallery."""
    paths = paths or [f"{label}/{number}.jpg" for number, label in enumerate(labels)]
    (store / "features").mkdir(parents=True)
    table = pa.table(
        {
            "path": paths,
            "label": pa.array(labels, pa.string()),
            "features": pa.array(list(rows), pa.list_(pa.float32())),
            "thumbnail": [f"thumbnail of {path}".encode() for path in paths],
        }
    )
    cuts = np.linspace(0, len(table), files + 1).astype(int)
    for number, (start, end) in enumerate(pairwise(cuts)):
        file = store / "features" / f"part-{number:05}.parquet"
        pq.write_table(table.slice(start, end - start), file, row_group_size=7)
    save_pca(fit_pca(Moments.of(rows), 5), store / "projection")
    mine = [row for row, label in enumerate(labels) if label is not None]
    names = [label for label in labels if label is not None]
    if len(set(names)) > 1:
        model = fit_discriminant(Moments.of(root_unit(rows[mine]), names), 0.3)
        save_discriminant(model, store / "projection")
    build_gallery(store / "features", store / "projection", store / "gallery")
    return store


def orchard(store: Path, each: int = 30) -> tuple[Path, list[str | None], npt.NDArray[np.float32]]:
    """Make a STORE of `each` photos of every label; return it, the labels and the features."""
    labels: list[str | None] = [label for _ in range(each) for label in LABELS]
    rows = features_of(labels)
    return write_store(store, labels, rows), labels, rows
