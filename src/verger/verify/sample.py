"""A sample of the photos of a STORE: embedded again, and compared with what the STORE holds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.embed.features import Embedder, embed
from verger.errors import PhotosError
from verger.gallery.identify import backbone_of
from verger.photos.labels import labeller_from
from verger.photos.references import PhotoRef
from verger.photos.selection import Selection
from verger.progress import Reporter
from verger.settings import RunSettings
from verger.storage.place import Source, list_place
from verger.store.defects import Finding, finding
from verger.store.inventory import Known
from verger.store.layout import FEATURES
from verger.store.record_file import Record
from verger.store.store import Store
from verger.texts.numbers import plural

# How far features may be off, beside their length: another machine's arithmetic is well within.
TOLERANCE = 0.02


class Sample:
    """Photos chosen at random, and their rows of features.

    rows:     what is kept of them, a table a block
    compared: how many were embedded again and are the same
    notes:    what a person is told of the others
    """

    def __init__(self, store: Store, record: Record, photos: int) -> None:
        self._store, self._record = store, record
        self.columns = ["bytes", "modified"] if photos else []
        self._photos, self._seen = photos, 0
        self.rows: list[pa.Table] = []
        self.compared = 0
        self.notes: list[str] = []

    @cached_property
    def _chosen(self) -> npt.NDArray[np.int64]:
        rows = self._record["counts"]["embedded"]
        return np.random.default_rng().permutation(rows)[: self._photos]

    def take(self, block: pa.Table) -> None:
        """Keep those of the next rows of features that were chosen."""
        until = self._seen + len(block)
        mine = self._chosen[(self._chosen >= self._seen) & (self._chosen < until)]
        if len(mine):
            self.rows.append(block.take(pa.array(mine - self._seen)))
        self._seen = until

    def embedded_again(self, photos: Source, reporter: Reporter) -> Iterator[Finding]:
        """Embed them with the STORE's own backbone; name those that give something else.

        Photos that have changed since are told apart. Raises `PhotosError` where none is there.
        """
        known = {row["path"]: row for table in self.rows for row in table.to_pylist()}
        labeller, every = labeller_from("none", photos.name), Selection(hidden=True)
        listed = list_place(photos, labeller, reporter, every)
        refs = {ref.path: ref for ref in listed if ref.path in known}
        if not refs:
            raise PhotosError(f"No photo of the sample ({len(known)}) is in {photos}.")
        changed = len(known) - len(refs)
        for path, found in self._compared(photos, list(refs.values()), known, reporter):
            if not found:
                self.compared += 1
            elif _is_as_it_was(refs[path], known[path]):
                yield finding(f"{FEATURES}/", found)
            else:
                changed += 1
        if changed:
            what = (
                f"{changed} of {len(known)} photo{plural(len(known))} of the sample changed or "
                "went since the run."
            )
            self.notes.append(what)

    def _compared(
        self, photos: Source, refs: list[PhotoRef], known: dict[str, Any], reporter: Reporter
    ) -> Iterator[tuple[str, str]]:
        """Embed photos; give the path of each, and what is wrong, if anything is."""
        width = len(next(iter(known.values()))["features"])
        backbone = backbone_of(self._record, self._store.root, width)
        settings = RunSettings().as_record() | self._record["settings"]
        limits = (settings[name] for name in ("batch_size", "max_pixels", "max_bytes"))
        with reporter.stage("Embedding", len(refs), "photos") as stage:
            for some in embed(
                refs, Embedder(backbone, *limits), photos.read, backbone.network(), stage.update,
                reads_at_once=photos.reads_at_once,
            ):  # fmt: skip
                for row in some.rejects.to_pylist():
                    yield row["path"], f"has {row['path']}, which is {row['reason']} now"
                for row in some.features.to_pylist():
                    off = _apart(row["features"], known[row["path"]]["features"])
                    what = f"has features of {row['path']} that are {off:.0%} off its photo's"
                    yield row["path"], "" if off <= TOLERANCE else what


def _is_as_it_was(ref: PhotoRef, row: dict[str, Any]) -> bool:
    when = int(pa.scalar(row["modified"], pa.timestamp("us", tz="UTC")).value)
    return Known(ref.path, None, row["bytes"], when, FEATURES, rejected=False).is_of(ref)


def _apart(new: list[float], old: list[float]) -> float:
    """Return how far features are off what they were, beside their length."""
    was = np.asarray(old, dtype=np.float64)
    apart = float(np.linalg.norm(np.asarray(new, dtype=np.float64) - was))
    return apart / max(float(np.linalg.norm(was)), 1e-12)
