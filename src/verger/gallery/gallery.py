"""The gallery of a STORE: look photos up among those that were run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from verger.errors import StoreError
from verger.gallery.answer import Answer, Guess, Neighbour, Verdict
from verger.gallery.layout import checked_file, map_array, map_paths, read_header
from verger.gallery.projector import Projector, open_projector
from verger.moments import unit_length
from verger.store import FEATURES, PROJECTION

GALLERY = "gallery"
_SHOWN = 5
_NEIGHBOURS = 12


class Gallery:
    """A gallery, mapped into memory; safe to share between threads."""

    def __init__(self, store: Path, header: Mapping[str, Any], projector: Projector) -> None:
        folder = store / GALLERY
        self._store = store
        self._projector = projector
        self._header = header
        self.photos: int = header["photos"]
        self.labels: tuple[str, ...] = tuple(header["labels"])
        self.groups: tuple[str, ...] = tuple(header["groups"])  # of each label
        shapes = {
            "vectors": (self.photos, projector.k),
            "label_ids": (self.photos,),
            "means": (len(self.labels), projector.k),
        }
        arrays = {
            name: map_array(checked_file(folder, header, name, f"{name}.npy"), name, shape)
            for name, shape in shapes.items()
        }
        self._vectors: npt.NDArray[np.float32] = arrays["vectors"]
        self._label_ids: npt.NDArray[np.int32] = arrays["label_ids"]
        self._means: npt.NDArray[np.float32] = arrays["means"]
        self._paths: pa.ChunkedArray = map_paths(
            checked_file(folder, header, "photos", "photos.arrow"), self.photos
        )

    @classmethod
    def open(cls, store: Path) -> Gallery:
        """Open the gallery of a STORE.

        Raises `StoreError` where there is none, where a file is missing, damaged or newer, and
        where it was made with another projection than the one that STORE holds.
        """
        folder = store / GALLERY
        header = read_header(folder)
        projector = open_projector(store / PROJECTION)
        try:
            if header["projection"] != projector.record():
                raise ValueError("it was made with another projection than the one beside it")
            return cls(store, header, projector)
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise StoreError(
                f"The gallery in {store} cannot be used: {error}.",
                hint="`verger reduce STORE` makes it again.",
            ) from None

    @property
    def width(self) -> int:
        """The number of features of a photo."""
        return self._projector.width

    def identify(self, features: npt.NDArray[np.float32]) -> Answer:
        """Say what one fruit is, from the features (n, width) of n photos of it.

        Raises ValueError for another width, no photo, or features that are not finite.
        """
        features = np.asarray(features, dtype=np.float32)
        if features.ndim != 2 or features.shape[1] != self.width or not len(features):
            raise ValueError(f"features of shape {features.shape}, not (n, {self.width})")
        if not np.isfinite(features).all():
            raise ValueError("features that are NaN or infinite")
        views = self._projector(features)
        query = unit_length(views.mean(axis=0, keepdims=True))[0].astype(np.float32)
        near = self._nearest(query, _NEIGHBOURS)
        neighbours = tuple(self._neighbour(photo, similarity) for photo, similarity in near)
        if not self.labels:
            return Answer(Verdict.UNSURE, (), (), 0.0, neighbours, len(features))
        return self._answer(self._means @ query, neighbours, len(features))

    def _answer(
        self, scores: npt.NDArray[np.float32], neighbours: tuple[Neighbour, ...], photos: int
    ) -> Answer:
        calibration = self._header["calibration"]
        logits = scores * calibration["temperature"]
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        labels = _ranked(self.labels, shares.tolist())
        sums: dict[str, float] = {}
        for group, share in zip(self.groups, shares.tolist(), strict=True):
            sums[group] = sums.get(group, 0.0) + share
        groups = _ranked(list(sums), list(sums.values()))
        verdict = Verdict.UNSURE
        if neighbours[0].similarity > calibration["unsure"]:
            if labels[0].confidence > calibration["variety"]:
                verdict = Verdict.VARIETY
            elif groups[0].confidence > calibration["group"]:
                verdict = Verdict.GROUP
        return Answer(verdict, labels, groups, 1.0, neighbours, photos)

    def _nearest(self, query: npt.NDArray[np.float32], count: int) -> list[tuple[int, float]]:
        similarities = self._vectors @ query
        count = min(count, len(similarities))
        best = np.argpartition(-similarities, count - 1)[:count] if count else np.zeros(0, int)
        best = best[np.lexsort((best, -similarities[best]))]
        return [(int(photo), float(similarities[photo])) for photo in best]

    def _neighbour(self, photo: int, similarity: float) -> Neighbour:
        return Neighbour(photo, self.path(photo), self.label(photo), similarity)

    def path(self, photo: int) -> str:
        """Return the path of a photo. Raises IndexError for an id that there is not."""
        self._check(photo)
        return str(self._paths[photo].as_py())

    def label(self, photo: int) -> str | None:
        """Return the label of a photo. Raises IndexError for an id that there is not."""
        self._check(photo)
        label = int(self._label_ids[photo])
        return None if label < 0 else self.labels[label]

    def photos_of(self, label: str) -> list[int]:
        """Return the ids of the photos of a label. Raises KeyError for a label that there is not."""
        return [int(photo) for photo in np.flatnonzero(self._label_ids == self._numbers[label])]

    def thumbnail(self, photo: int) -> bytes:
        """Return the photo's small JPEG. Raises IndexError for an id that there is not."""
        self._check(photo)
        for table in self._header["tables"]:
            if photo < table["rows"]:
                return self._read_thumbnail(table["file"], photo)
            photo -= table["rows"]
        raise IndexError(photo)

    def _read_thumbnail(self, name: str, row: int) -> bytes:
        with pq.ParquetFile(self._store / FEATURES / name) as parquet:
            for group in range(parquet.num_row_groups):
                rows = parquet.metadata.row_group(group).num_rows
                if row < rows:
                    column = parquet.read_row_group(group, columns=["thumbnail"])["thumbnail"]
                    return bytes(column[row].as_py())
                row -= rows
        raise IndexError(row)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.labels)}

    def _check(self, photo: int) -> None:
        if not 0 <= photo < self.photos:
            raise IndexError(f"no photo {photo}: the gallery has {self.photos}")


def _ranked(names: Sequence[str], confidences: Sequence[float]) -> tuple[Guess, ...]:
    order = sorted(range(len(names)), key=lambda i: (-confidences[i], names[i]))[:_SHOWN]
    return tuple(Guess(names[i], confidences[i]) for i in order)
