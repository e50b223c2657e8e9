"""What a gallery holds: read from its files, and checked, before anything is answered from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.gallery.calibration import Calibration
from verger.gallery.evidence import Floats
from verger.gallery.files import array_of, paths_of, read_checked
from verger.gallery.projector import Projector


@dataclass(frozen=True, slots=True)
class Contents:
    """A gallery's n photos of L labels, held in memory.

    groups:     of each label
    tables:     the files of the features in order, and how many photos each holds
    vectors:    float32 (n, k), label_ids: int32 (n,), means: float32 (L, k),
    likenesses: float32 (L, d); see `files.py`
    """

    photos: int
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    tables: tuple[tuple[str, int], ...]
    calibration: Calibration
    vectors: Floats
    label_ids: npt.NDArray[np.int32]
    means: Floats
    likenesses: Floats
    paths: pa.ChunkedArray


def read_contents(folder: Path, header: Mapping[str, Any], projector: Projector) -> Contents:
    """Read what `folder` holds. Raises ValueError where it is not what `header` says."""
    photos = _count(header["photos"])
    labels, groups = _names(header["labels"]), _names(header["groups"])
    if len(groups) != len(labels) or list(labels) != sorted(set(labels)):
        raise ValueError("its labels and groups do not fit together")
    tables = _tables(header["tables"], photos)
    calibration = Calibration.parse(header["calibration"])
    shapes = {
        "vectors": (photos, projector.k),
        "label_ids": (photos,),
        "means": (len(labels), projector.k),
        "likenesses": (len(labels), projector.width),
    }
    arrays = {
        name: array_of(read_checked(folder, header, name, file), file, name, shape)
        for name, shape in shapes.items()
        for file in (f"{name}.npy",)
    }
    label_ids = arrays["label_ids"]
    if photos and not (label_ids.min() >= -1 and label_ids.max() < len(labels)):
        raise ValueError("label_ids.npy names labels that there are not")
    paths = paths_of(read_checked(folder, header, "photos", "photos.arrow"), "photos.arrow", photos)
    return Contents(photos, labels, groups, tables, calibration, **arrays, paths=paths)


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a number of photos")
    return value


def _names(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("its labels and groups are not lists of names")
    return tuple(values)


def _tables(values: Any, photos: int) -> tuple[tuple[str, int], ...]:
    """Read which files of the features hold how many photos."""
    tables = tuple((str(value["file"]), _count(value["rows"])) for value in values)
    if any(Path(file).name != file or not file.endswith(".parquet") for file, _ in tables):
        raise ValueError("its tables are not names of Parquet files")
    if sum(rows for _, rows in tables) != photos:
        raise ValueError("its tables do not hold its photos")
    return tables
