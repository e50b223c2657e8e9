"""Building a gallery from the features and the projection of a run, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.gallery.calibration import Calibration, calibrate
from verger.gallery.evidence import Floats, add_by_label, label_means
from verger.gallery.files import paths_schema, write_header
from verger.gallery.projector import Projector, open_projector
from verger.gallery.rehearsal import rehearse
from verger.knowledge import group_of
from verger.projections.discriminant import Discriminant
from verger.projections.moments import root_unit, unit_length
from verger.storage.place import LocalPlace
from verger.store.tables import Table, rows_of

REHEARSED = 6_000  # photos at most: the features of these are held in memory at once
_NOT_REHEARSED = (
    "Too few photos a label to rehearse on: the confidences of `verger identify` are not "
    "calibrated (it takes a hundred photos, of three labels or more)."
)


def build_gallery(features: Table | Path, projection: Path, out: Path) -> dict[str, Any]:
    """Write the gallery of a table of features, projected by the models in `projection`, to `out`.

    `features` is a table, wherever it lies, or a folder of Parquet files; `projection` and `out`
    are folders of this machine. Returns what the run record says of it; `notes` are for a person.

    Features are read a block at a time: what is held is the gallery itself, and the features of
    `REHEARSED` photos. Raises `StoreError` where the projection cannot be read.
    """
    if isinstance(features, Path):
        place = LocalPlace(features.absolute().parent)
        features = Table(place, place.files(features.name, ".parquet"))
    projector = open_projector(projection)
    labels, label_ids = _labels(features)
    groups = [str(group_of(label) or label) for label in labels]
    rows = _read(features, projector, labels, label_ids, out)
    arrays = {
        "label_ids": label_ids,
        "means": label_means(rows.vectors, label_ids, len(labels)),
        "likenesses": unit_length(rows.sums).astype(np.float32),
    }
    for name, array in arrays.items():
        np.save(out / f"{name}.npy", array, allow_pickle=False)
    if isinstance(rows.vectors, np.memmap):
        rows.vectors.flush()
    files = {name: out / f"{name}.npy" for name in ("vectors", *arrays)}
    calibration, notes = _calibration(projector, rows, label_ids, groups)
    fields = {
        "projection": projector.record(),
        "photos": len(label_ids),
        "k": projector.k,
        "width": projector.width,
        "labels": labels,
        "groups": groups,
        "tables": rows.tables,
        "calibration": calibration.as_record(),
    }
    write_header(out, fields, files | {"photos": out / "photos.arrow"})
    return {
        "space": projector.kind,
        "photos": len(label_ids),
        "labels": len(labels),
        "groups": len(set(groups)),
        "rehearsed": calibration.photos,
        "notes": notes,
    }


@dataclass(slots=True)
class _Rows:
    vectors: Floats  # (n, k)
    sums: npt.NDArray[np.float64]  # (L, d), of the prepared features of each label
    rehearsed: npt.NDArray[np.int64]  # the photos whose features are kept
    features: Floats  # (rehearsed, d)
    tables: list[dict[str, Any]]


def _labels(features: Table) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Read the labels alone: their names, sorted, and the id of each photo's, −1 for none."""
    met: dict[str, int] = {}
    parts = [np.zeros(0, dtype=np.int32)]
    for batch in _batches(features, ["label"]):
        ids = [
            -1 if label is None else met.setdefault(label, len(met))
            for label in batch.column("label").to_pylist()
        ]
        parts.append(np.array(ids, dtype=np.int32))
    names = sorted(met)
    number = np.full(len(met) + 1, -1, dtype=np.int32)  # the last is that of −1
    for new, name in enumerate(names):
        number[met[name]] = new
    return names, number[np.concatenate(parts)]


def _read(
    features: Table,
    projector: Projector,
    labels: list[str],
    label_ids: npt.NDArray[np.int32],
    out: Path,
) -> _Rows:
    """Project every photo, add up the features of each label, keep those of some photos."""
    chosen = _chosen(label_ids, len(labels))
    out.mkdir(parents=True, exist_ok=True)
    rows = _Rows(
        vectors=_on_disk(out / "vectors.npy", (len(label_ids), projector.k)),
        sums=np.zeros((len(labels), projector.width)),
        rehearsed=chosen,
        features=np.zeros((len(chosen), projector.width), dtype=np.float32),
        tables=[
            {"file": file.rpartition("/")[2], "rows": rows_of(features.place, [file])}
            for file in features.files
        ],
    )
    schema, start = paths_schema(), 0
    with pa.ipc.new_file(str(out / "photos.arrow"), schema) as paths:
        for batch in _batches(features, ["path", "features"]):
            paths.write_batch(pa.RecordBatch.from_arrays([batch.column("path")], schema=schema))
            block = np.asarray(batch.column("features").flatten()).reshape(len(batch), -1)
            end = start + len(batch)
            rows.vectors[start:end] = projector(block)
            ids = label_ids[start:end]
            add_by_label(rows.sums, root_unit(block), ids)
            first, last = np.searchsorted(chosen, (start, end))
            rows.features[first:last] = block[chosen[first:last] - start]
            start = end
    return rows


def _on_disk(file: Path, shape: tuple[int, int]) -> Floats:
    """Make an array of zeros that lies in a file, not in memory."""
    if not all(shape):  # what is empty cannot be mapped
        np.save(file, np.zeros(shape, dtype="<f4"), allow_pickle=False)
        return np.zeros(shape, dtype=np.float32)
    return np.lib.format.open_memmap(file, mode="w+", dtype="<f4", shape=shape, version=(1, 0))


def _chosen(label_ids: npt.NDArray[np.int32], labels: int) -> npt.NDArray[np.int64]:
    """Choose the photos to rehearse on: as many of each label, evenly over its photos."""
    most = REHEARSED // max(labels, 1)
    chosen = [np.zeros(0, dtype=np.int64)]
    order = np.argsort(label_ids, kind="stable")
    starts = np.searchsorted(label_ids[order], np.arange(labels + 1))
    for start, end in pairwise(starts):
        count = min(most, end - start)
        chosen.append(order[start + np.arange(count) * (end - start) // max(count, 1)])
    return np.sort(np.concatenate(chosen))


def _calibration(
    projector: Projector, rows: _Rows, label_ids: npt.NDArray[np.int32], groups: list[str]
) -> tuple[Calibration, list[str]]:
    if not isinstance(projector.model, Discriminant):
        return Calibration(), []
    numbers = {group: number for number, group in enumerate(sorted(set(groups)))}
    group_ids = np.array([numbers[group] for group in groups], dtype=np.int64)
    held = rehearse(
        rows.features,
        label_ids[rows.rehearsed].astype(np.int64),
        group_ids,
        projector.model.shrinkage,
    )
    if held is None:
        return Calibration(), [_NOT_REHEARSED]
    return calibrate(held), []


def _batches(features: Table, columns: list[str]) -> Iterator[pa.RecordBatch]:
    return features.batches(range(len(features.files)), columns)
