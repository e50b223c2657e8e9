"""Building a gallery from the features and the projection of a run, in one pass over the rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from verger.gallery.layout import paths_schema, write_header
from verger.gallery.projector import open_projector
from verger.tables import files_of, rows_of

_ROWS_AT_ONCE = 4096


def build_gallery(features: Path, projection: Path, out: Path) -> dict[str, Any]:
    """Write the gallery of the table `features`, projected by the models in `projection`, to `out`.

    Returns what the run record says of it. Memory does not grow with the features: rows are
    projected a block at a time. Raises `StoreError` where the projection cannot be read.
    """
    projector = open_projector(projection)
    out.mkdir(parents=True, exist_ok=True)
    photos = rows_of(features)
    files = {
        "vectors": out / "vectors.npy",
        "label_ids": out / "label_ids.npy",
        "means": out / "means.npy",
        "photos": out / "photos.arrow",
    }
    vectors = np.zeros((photos, projector.k), dtype="<f4")
    label_ids = np.full(photos, -1, dtype="<i4")
    ids: dict[str, int] = {}
    row = 0
    with pa.ipc.new_file(str(files["photos"]), paths_schema()) as paths:
        for batch in _batches(features):
            block = np.asarray(batch.column("features").flatten()).reshape(len(batch), -1)
            span = slice(row, row + len(batch))
            vectors[span] = projector(block)
            label_ids[span] = [
                -1 if label is None else ids.setdefault(label, len(ids))
                for label in batch.column("label").to_pylist()
            ]
            paths.write_batch(
                pa.RecordBatch.from_arrays([batch.column("path")], schema=paths_schema())
            )
            row += len(batch)
    labels, label_ids = _sorted_labels(ids, label_ids)
    means = _means(vectors, label_ids, len(labels))
    for name, array in (("vectors", vectors), ("label_ids", label_ids), ("means", means)):
        np.save(files[name], array, allow_pickle=False)
    fields = {
        "projection": projector.record(),
        "photos": photos,
        "k": projector.k,
        "labels": labels,
        "groups": [_group(label) for label in labels],
        "tables": [
            {"file": file.name, "rows": pq.read_metadata(file).num_rows}
            for file in files_of(features)
        ],
        "calibration": {"temperature": 10.0, "variety": 0.5, "group": 0.5, "unsure": 0.2},
    }
    write_header(out, fields, files)
    return {"photos": photos, "labels": len(labels), "space": projector.kind}


def _batches(features: Path) -> Iterator[pa.RecordBatch]:
    for file in files_of(features):
        with pq.ParquetFile(file) as parquet:
            yield from parquet.iter_batches(
                batch_size=_ROWS_AT_ONCE, columns=["path", "label", "features"]
            )


def _sorted_labels(
    ids: dict[str, int], label_ids: npt.NDArray[np.int32]
) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Number the labels in their order, whatever order they were met in."""
    labels = sorted(ids)
    renumbered = np.full(len(ids) + 1, -1, dtype="<i4")
    for number, label in enumerate(labels):
        renumbered[ids[label]] = number
    return labels, renumbered[label_ids]


def _means(
    vectors: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int32], labels: int
) -> npt.NDArray[np.float32]:
    sums = np.zeros((labels, vectors.shape[1]), dtype=np.float64)
    labelled = label_ids >= 0
    np.add.at(sums, label_ids[labelled], vectors[labelled])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return (sums / np.where(lengths > 0, lengths, 1)).astype("<f4")


def _group(label: str) -> str:
    return label
