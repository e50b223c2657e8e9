"""The gallery of a STORE: look photos up among those that were run on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.errors import StoreError
from verger.gallery.answer import Answer, Guess, Neighbour
from verger.gallery.calibration import Calibration
from verger.gallery.contents import Contents, read_contents
from verger.gallery.evidence import (
    NEIGHBOURS,
    Evidence,
    nearest_by_label,
    nearest_rows,
)
from verger.gallery.files import AGAIN, read_header
from verger.gallery.odds import Doubles, by_group
from verger.gallery.projector import Projector, open_projector
from verger.gallery.verdict import Odds, Verdict, confidence_of, decide
from verger.machine.folders import scratch_folder
from verger.projections.moments import root_unit, unit_length
from verger.storage.place import Place, store_place
from verger.store.defects import damage_told
from verger.store.layout import FEATURES, GALLERY, PROJECTION
from verger.store.tables import opened

_SHOWN = 5


class Gallery:
    """A gallery, held in memory; safe to share between threads."""

    def __init__(self, place: Place, projector: Projector, held: Contents) -> None:
        self._place = place
        self._projector = projector
        self.photos, self.labels, self.groups = held.photos, held.labels, held.groups
        self.tables = held.tables
        self._held = held
        self._group_names = tuple(sorted(set(self.groups)))
        numbers = {group: number for number, group in enumerate(self._group_names)}
        self._group_ids = np.array([numbers[group] for group in self.groups], dtype=np.int64)

    @classmethod
    def open(cls, store: str | Path) -> Gallery:
        """Open the gallery of a STORE: a folder, or the URL of a bucket, which is fetched first.

        Raises `StoreError` where there is none, where a file is missing, damaged or newer, and
        where it was made with another projection than the one that STORE holds.
        """
        place = store_place(store).absolute()
        with at_hand(place, str(store), [GALLERY, PROJECTION]) as root:
            return cls._open(place, root, str(store))

    @classmethod
    def _open(cls, place: Place, root: Path, store: str) -> Gallery:
        header = read_header(root / GALLERY, store)
        projector = open_projector(root / PROJECTION)
        try:
            if header["projection"] != projector.record():
                raise ValueError(
                    "it was made with a different projection from the one in the STORE"
                )
            return cls(place, projector, read_contents(root / GALLERY, header, projector))
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise StoreError(
                f"The gallery in {store} cannot be used: {error}.", hint=AGAIN
            ) from None

    @property
    def width(self) -> int:
        """The number of features of a photo."""
        return self._projector.width

    @property
    def contents(self) -> Contents:
        """What it holds, as it was read."""
        return self._held

    @property
    def projector(self) -> Projector:
        """What brings features to the space that photos are compared in."""
        return self._projector

    @property
    def calibration(self) -> Calibration:
        """What turns evidence into confidences and verdicts."""
        return self._held.calibration

    def identify(self, features: npt.NDArray[np.float32]) -> Answer:
        """Say what one fruit is, from the features (n, width) of n photos of it.

        Raises ValueError for another width, no photo, or features that are not finite.
        """
        features = np.asarray(features, dtype=np.float32)
        if features.ndim != 2 or features.shape[1] != self.width or not len(features):
            raise ValueError(f"features of shape {features.shape}, not (n, {self.width})")
        if not np.isfinite(features).all():
            raise ValueError("features that are NaN or infinite")
        views = self._projector(features).mean(axis=0, keepdims=True)
        query = unit_length(views).astype(np.float32)
        photos, similarities = nearest_rows(query, self._held.vectors, NEIGHBOURS)
        neighbours = tuple(
            Neighbour(int(photo), self.path(int(photo)), self.label(int(photo)), float(similarity))
            for photo, similarity in zip(photos[0, :_SHOWN], similarities[0, :_SHOWN], strict=True)
        )
        if not self.labels:
            return Answer(Verdict.UNKNOWN, False, 0.0, (), (), 0.0, neighbours, len(features))
        whole = unit_length(root_unit(features).mean(axis=0, keepdims=True)).astype(np.float32)
        evidence = Evidence(
            nearest_by_label(similarities, self._held.label_ids[photos], len(self.labels)),
            query @ self._held.means.T,
            (whole @ self._held.likenesses.T).max(axis=1),
        )
        return self._answer(evidence, neighbours, len(features))

    def _answer(self, evidence: Evidence, neighbours: tuple[Neighbour, ...], photos: int) -> Answer:
        calibration, ids = self._held.calibration, self._group_ids
        shares = calibration.shares(evidence)
        sums = by_group(shares, ids)
        familiar = calibration.familiarities(evidence)
        there = np.ones(shares.shape, dtype=np.bool_)
        honest = calibration.honest(shares, familiar, ids, there)
        labels = _ranked(self.labels, honest.labels[0], shares[0])
        groups = _ranked(self._group_names, honest.groups[0], sums[0])
        usual = np.maximum(familiar, calibration.usual)
        odds = Odds(
            labels[0].confidence,
            groups[0].confidence,
            float(calibration.group.probability(sums.max(axis=1), usual)[0]),
            float(familiar[0]),
            bool(honest.single[0]),
        )
        verdict, close = decide(odds, calibration.bounds)
        known = float(calibration.known(familiar)[0])
        sure = confidence_of(verdict, odds, [group.confidence for group in groups])
        return Answer(verdict, close, sure, labels, groups, known, neighbours, photos)

    def path(self, photo: int) -> str:
        """Return the path of a photo. Raises IndexError for an id that there is not."""
        self._check(photo)
        return str(self._held.paths[photo].as_py())

    def label(self, photo: int) -> str | None:
        """Return the label of a photo. Raises IndexError for an id that there is not."""
        self._check(photo)
        label = int(self._held.label_ids[photo])
        return None if label < 0 else self.labels[label]

    def photos_of(self, label: str) -> list[int]:
        """Return the ids of a label's photos. Raises KeyError for a label that there is not."""
        carry_it = self._held.label_ids == self._numbers[label]
        return [int(photo) for photo in np.flatnonzero(carry_it)]

    def thumbnail(self, photo: int) -> bytes:
        """Return the photo's small JPEG.

        Raises IndexError for an id that there is not, FileNotFoundError where a later run has
        replaced the file that it lies in, and `StoreError` where that is damaged.
        """
        self._check(photo)
        for file, rows in self.tables:
            if photo < rows:
                try:
                    return self._read_thumbnail(file, photo)
                except StoreError:
                    if self._place.exists(f"{FEATURES}/{file}"):
                        raise
                    raise FileNotFoundError(file) from None
            photo -= rows
        raise IndexError(photo)

    def _read_thumbnail(self, name: str, row: int) -> bytes:
        path = f"{FEATURES}/{name}"
        with damage_told(self._place, path), opened(self._place, path, ["thumbnail"]) as parquet:
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


@contextmanager
def at_hand(place: Place, store: str, parts: list[str]) -> Iterator[Path]:
    """Have some folders of a STORE on this machine, while they are read."""
    if place.folder:
        yield place.folder
        return
    with scratch_folder() as folder:
        try:
            for part in parts:
                (folder / part).mkdir()
                for file in place.files(part):
                    (folder / part / file.rpartition("/")[2]).write_bytes(place.read(file))
        except OSError as error:
            raise StoreError(f"Cannot read what {store} holds: {error}.") from None
        yield folder


def _ranked(names: Sequence[str], confidences: Doubles, shares: Doubles) -> tuple[Guess, ...]:
    order = np.lexsort((-shares, -confidences))[:_SHOWN]  # the names are sorted
    return tuple(Guess(names[i], float(confidences[i]), float(shares[i])) for i in order)
