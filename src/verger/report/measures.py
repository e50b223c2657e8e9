"""How bright and how sharp thumbnails are, kept by content: the next report opens only new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.report.reading import Floats
from verger.report.table_files import UNREADABLE, read_table, write_table
from verger.report.thumbnails import opened
from verger.storage.place import Place
from verger.store.sampling import digests

_FILE = "kept-measures.parquet"
_SCHEMA = {"digest": pa.uint64(), "brightness": pa.float64(), "sharpness": pa.float64()}


@dataclass(frozen=True, slots=True)
class Measures:
    """Of m thumbnails.

    digests:     uint64 (m,), of their JPEG
    brightness:  float64 (m,), the mean, levels of 255; NaN where one cannot be opened
    sharpness:   float64 (m,), root mean square of the Laplacian, levels; NaN likewise
    """

    digests: npt.NDArray[np.uint64]
    brightness: npt.NDArray[np.float64]
    sharpness: npt.NDArray[np.float64]

    @classmethod
    def none(cls) -> Measures:
        """Return those of no thumbnail."""
        return cls(np.zeros(0, np.uint64), np.zeros(0), np.zeros(0))

    @classmethod
    def read(cls, place: Place, folder: str) -> Measures:
        """Read what the report that is there had; nothing where that cannot be read."""
        try:
            table = read_table(place, f"{folder}/{_FILE}")
            columns = (table[name].cast(kind) for name, kind in _SCHEMA.items())
            return cls(*(column.to_numpy() for column in columns))
        except UNREADABLE:
            return cls.none()

    def write(self, folder: Path) -> None:
        """Write them into the folder of a report."""
        columns = (self.digests, self.brightness, self.sharpness)
        write_table(pa.table(dict(zip(_SCHEMA, columns, strict=True))), folder / _FILE)


def measure(thumbnails: Sequence[bytes], earlier: Measures) -> Measures:
    """Measure thumbnails; those that were measured earlier are not opened again."""
    # On one thread: what is between the decoding of pictures so small makes two slower.
    marks = digests(thumbnails)
    known = dict(zip(earlier.digests.tolist(), _pairs(earlier), strict=True))
    found = [
        known.get(mark) or _look(thumbnail)
        for mark, thumbnail in zip(marks.tolist(), thumbnails, strict=True)
    ]
    return Measures(marks, *np.array(found, np.float64).reshape(-1, 2).T)


def _pairs(measures: Measures) -> list[tuple[float, float]]:
    return list(zip(measures.brightness.tolist(), measures.sharpness.tolist(), strict=True))


def _look(thumbnail: bytes) -> tuple[float, float]:
    image = opened(thumbnail, mode="L")
    if image is None or min(image.size) < 3:
        return np.nan, np.nan
    grey: Floats = np.asarray(image, np.float32)
    laplacian = 4 * grey[1:-1, 1:-1]
    for around in (grey[:-2, 1:-1], grey[2:, 1:-1], grey[1:-1, :-2], grey[1:-1, 2:]):
        laplacian -= around
    return float(grey.mean()), float(np.sqrt(np.vdot(laplacian, laplacian) / laplacian.size))
