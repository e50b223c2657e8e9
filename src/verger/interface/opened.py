"""An open STORE: its tables, and new photos beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np
import pyarrow as pa

from verger.errors import UsageError
from verger.gallery.evaluate import evaluate
from verger.gallery.gallery import Gallery, at_hand
from verger.gallery.identify import Identifier, bytes_of
from verger.interface.outcomes import Evaluation, Identification, Photo
from verger.machine.cores import cores
from verger.photos.reasons import Reject
from verger.progress import reporter
from verger.projections import load_pca
from verger.store.layout import FEATURES, MATRIX, PROJECTION, REJECTS
from verger.store.store import Store as Files
from verger.store.tables import batches


class Store:
    """The finished run in a STORE, as `verger.open_store` returns it; threads can share it.

    To see what a later run publishes, open the STORE again.
    """

    def __init__(self, root: str | Path) -> None:
        self._root = str(root)
        self._files = Files(root)
        self._record: Mapping[str, Any] = self._files.whole_run()

    def __repr__(self) -> str:
        counts, k = self.record["counts"], self.record["projection"]["k"]
        labels = self.record["labels"]
        return (
            f"<verger.Store {self._root!r}: {counts['embedded']:,} photos of {labels:,} labels, "
            f"{k} components>"
        )

    @property
    def root(self) -> str:
        """Where it is: a folder, or a URL."""
        return self._root

    @property
    def record(self) -> dict[str, Any]:
        """What `run.json` holds: settings, counts, versions, seconds per stage."""
        return dict(self._record)

    def matrix(self) -> pa.Table:
        """Return the matrix: path, label and components (list of k float32), in order of path.

        `.to_pandas()` turns it into a DataFrame, and
        `numpy.stack(table["components"].to_pylist())` gives an array (photos, k).
        """
        return self._table(MATRIX, ["path", "label", "components"])

    def features(self, *, thumbnails: bool = False) -> pa.Table:
        """Return path, label and features (list of d float32) of each photo that was embedded.

        thumbnails: add a column of small JPEGs

        All of it is held in memory: 5 kB per photo with the default network.
        """
        return self._table(FEATURES, ["path", "label", "features", *["thumbnail"] * thumbnails])

    def rejects(self) -> pa.Table:
        """Return path, label, reason and detail of each photo that could not be used."""
        return self._table(REJECTS, ["path", "label", "reason", "detail"])

    def project(self, photos: Photo | Iterable[Photo]) -> pa.Table:
        """Project new photos into the space of the run, without Spark.

        photos: files, or the bytes of files; one or several

        Returns a table in the order of `photos`: path (null for bytes), components (list of k
        float32; null if the photo cannot be used), reason and detail (null if it can).
        """
        with at_hand(self._files.place, self._root, [PROJECTION]) as root:
            pca = load_pca(root / PROJECTION)
        rows = []
        for photo in several(photos):
            row: dict[str, Any] = {"path": None if isinstance(photo, bytes) else str(photo)}
            try:
                features = self._identifier.features(bytes_of(photo))
                row["components"] = pca.transform(features[None])[0].astype(np.float32)
            except Reject as reject:
                row |= {"reason": reject.reason.value, "detail": reject.detail}
            rows.append(row)
        return pa.Table.from_pylist(rows, schema=_PROJECTED)

    @overload
    def identify(  # type: ignore[overload-overlap]  # text is an iterable of text, too
        self, photos: Photo, *, together: Literal[False] = False
    ) -> Identification: ...
    @overload
    def identify(self, photos: Iterable[Photo], *, together: Literal[True]) -> Identification: ...
    @overload
    def identify(
        self, photos: Iterable[Photo], *, together: Literal[False] = False
    ) -> list[Identification]: ...
    def identify(
        self, photos: Photo | Iterable[Photo], *, together: bool = False
    ) -> Identification | list[Identification]:
        """Say what fruit is in each photo, by the photos of the run.

        photos:   files, or the bytes of files; one gives one answer, several give a list
        together: all photos show the same fruit; they get one answer, and a better one

        A photo that cannot be used is in `rejects` of its answer, with the reason.
        """
        return self._identify(photos, together=together)

    def _identify(
        self, photos: Photo | Iterable[Photo], *, together: bool
    ) -> Identification | list[Identification]:
        some = several(photos)
        fruits = [some] if together else [[photo] for photo in some]
        told = [
            Identification(*self._identifier.identify_files(one), self._identifier, tuple(one))
            for one in fruits
        ]
        return told[0] if together or is_one(photos) else told

    def evaluate(
        self, photos: str | Path, *, label_from: str = "parent", progress: bool = True
    ) -> Evaluation:
        """Identify each labelled photo of a folder or bucket, and measure the answers.

        Raises `VergerError` if no readable labelled photo is found.
        """
        with reporter(quiet=not progress).stage("Identifying", None, "photos") as stage:
            found = evaluate(self._identifier, photos, label_from, cores(), stage.update)
        return Evaluation(**found)

    def _samples(self, most: int) -> list[tuple[bytes, str]]:
        """Return small JPEGs of a photo each of the first labels, and those labels."""
        gallery = Gallery.open(self._root)
        some = ((gallery.photos_of(label)[0], label) for label in gallery.labels[:most])
        return [(gallery.thumbnail(photo), label) for photo, label in some]

    def _table(self, name: str, columns: list[str]) -> pa.Table:
        found = [
            batch.select(columns)
            for file in self._files.table(name)
            for batch in batches(self._files.place, file, columns)
        ]
        schema = found[0].schema if found else pa.schema([(one, pa.string()) for one in columns])
        return pa.Table.from_batches(found, schema).replace_schema_metadata()

    @cached_property
    def _identifier(self) -> Identifier:
        return Identifier.open(self._root)


_PROJECTED = pa.schema([
    ("path", pa.string()), ("components", pa.list_(pa.float32())),
    ("reason", pa.string()), ("detail", pa.string()),
])  # fmt: skip


def is_one(photos: Photo | Iterable[Photo]) -> bool:
    """Say whether it is a single photo rather than a collection."""
    return isinstance(photos, (str, Path, bytes))


def several(photos: Photo | Iterable[Photo]) -> Sequence[Photo]:
    """Return photos as a list, even a single one.

    Raises `UsageError` for none at all, and for what is not a photo.
    """
    if is_one(photos):
        return [cast(Photo, photos)]
    # The items of an open file would be its lines, those of a bytearray its numbers.
    no_list = hasattr(photos, "read") or isinstance(photos, bytearray)
    is_list = isinstance(photos, Iterable) and not no_list
    some = list(cast(Iterable[Photo], photos)) if is_list else [cast(Photo, photos)]
    if not some:
        raise UsageError("There is no photo in what was given.")
    for photo in some:
        if not is_one(photo):
            raise UsageError(
                f"This is not a photo, but of type {type(photo).__name__}.",
                hint="Give the path of a file, the bytes of one, or a list of these.",
            )
    return some
