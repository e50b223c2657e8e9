"""Corrections: the labels that people gave single photos of a STORE, which later runs keep.

One table, `corrections.parquet`, with a row for each correction that was made: which photo, what
was decided, when, and from which file. Of a photo with several, the last one counts.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from verger.photos.labels import Labeller
from verger.photos.reasons import Reason
from verger.photos.references import PhotoRef
from verger.storage.place import Place, Source
from verger.store.defects import damage_told
from verger.store.layout import CORRECTIONS
from verger.store.tables import TableWriter, batches
from verger.store.work import Work


class Decision(StrEnum):
    """What a person decided of a photo."""

    LABEL = "label"
    LEAVE_OUT = "leave out"
    FINE = "fine"


class Correction(NamedTuple):
    """One correction.

    label:    of `LABEL`, the label that was given; else None
    original: the label that the photo had before its first correction
    batch:    which call of `verger relabel` it came with: 1, 2, …
    origin:   the name of the file that it came from
    sha256, photo_bytes: that of the photo's bytes, and how many they are; None where STORE had none
    """

    path: str
    decision: Decision
    label: str | None
    original: str | None
    batch: int
    made: dt.datetime
    origin: str
    sha256: bytes | None = None
    photo_bytes: int | None = None


_SCHEMA = pa.schema([
    pa.field("path", pa.string(), nullable=False),
    pa.field("decision", pa.string(), nullable=False),
    pa.field("label", pa.string()),
    pa.field("original", pa.string()),
    pa.field("batch", pa.int64(), nullable=False),
    pa.field("made", pa.timestamp("us", tz="UTC"), nullable=False),
    pa.field("origin", pa.string(), nullable=False),
    pa.field("sha256", pa.binary()),
    pa.field("photo_bytes", pa.int64()),
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Corrections:
    """All corrections of a STORE, in the order in which they were made."""

    made: tuple[Correction, ...] = ()

    @classmethod
    def read(cls, place: Place) -> Corrections:
        """Read those of a STORE. Raises `StoreError` where the table is damaged."""
        if not place.exists(CORRECTIONS):
            return cls()
        with damage_told(place, CORRECTIONS):
            return cls(tuple(
                Correction(**{**row, "decision": Decision(row["decision"])})
                for batch in batches(place, CORRECTIONS, _SCHEMA.names)
                for row in batch.to_pylist()
            ))  # fmt: skip

    def write(self, work: Work) -> str | None:
        """Write the table into the work folder, and return where; None where there are none."""
        if not self.made:
            return None
        built = work.built(CORRECTIONS)
        columns = [pa.array(column, field.type) for column, field in zip(
            zip(*self.made, strict=True), _SCHEMA, strict=True
        )]  # fmt: skip
        with work.place.incoming(built) as file, TableWriter(file, _SCHEMA) as table:
            table.add(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))
        return built

    @property
    def labels(self) -> dict[str, str | None]:
        """The label of each photo that was given one, by its path."""
        return {one.path: one.label for one in self.made if one.decision is Decision.LABEL}

    @property
    def left_out(self) -> set[str]:
        """The photos that are to be left out: a label, or that one is fine, takes that back."""
        return self._last(Decision.LEAVE_OUT, {Decision.LABEL, Decision.FINE})

    @property
    def fine(self) -> set[str]:
        """The photos whose label somebody has looked at, and which are fine as they are."""
        return self._last(Decision.FINE, {Decision.LABEL, Decision.LEAVE_OUT})

    def _last(self, decision: Decision, others: set[Decision]) -> set[str]:
        found: set[str] = set()
        for one in self.made:
            if one.decision is decision:
                found.add(one.path)
            elif one.decision in others:
                found.discard(one.path)
        return found

    @property
    def originals(self) -> dict[str, str | None]:
        """The labels that photos had before they were given one, by path."""
        return {one.path: one.original for one in reversed(self.made)}

    @property
    def batches(self) -> int:
        """The number of the last batch; 0 where there is none."""
        return max((one.batch for one in self.made), default=0)

    def with_more(self, more: Iterable[Correction]) -> Corrections:
        """Return them with others, which came later."""
        return Corrections((*self.made, *more))

    def without_the_last(self) -> Corrections:
        """Return them without those of the last batch."""
        last = self.batches
        return Corrections(tuple(one for one in self.made if one.batch != last))


class CorrectedLabels(Labeller):
    """Labels as another labeller gives them, but for the photos that people have labelled."""

    def __init__(self, labeller: Labeller, corrections: Corrections) -> None:
        super().__init__(labeller)
        self._labeller, self._given = labeller, corrections.labels

    def __call__(self, path: str) -> str | None:
        """Return the label of a photo. The other labeller is asked too: it checks what it gave."""
        label = self._labeller(path)
        return self._given.get(path, label)

    def given(self, path: str, label: str) -> str | None:
        """Return the label of a photo that a list gives one."""
        label_of_list = self._labeller.given(path, label)
        return self._given.get(path, label_of_list)

    def notes(self) -> list[str]:
        """Say what is to be said of the other labels."""
        return self._labeller.notes()

    def check(self) -> None:
        """Check the other labels."""
        self._labeller.check()


def hashes_of(place: Place, features: Iterable[str], paths: set[str]) -> dict[str, bytes]:
    """Read the SHA-256 of some photos' bytes, by path, where STORE has it."""
    wanted, found = pa.array(sorted(paths), pa.string()), dict[str, bytes]()
    for file in features if paths else ():
        for batch in batches(place, file, ["path", "sha256"]):
            if "sha256" in batch.schema.names:
                some = batch.filter(pc.is_in(batch.column("path"), value_set=wanted))
                columns = (some.column(name).to_pylist() for name in ("path", "sha256"))
                found |= {path: one for path, one in zip(*columns, strict=True) if one}
    return found


def followed(
    corrections: Corrections, awaited: Iterable[str], photos: Source, new: Iterable[PhotoRef]
) -> Corrections:
    """Return the corrections with the new paths of photos that were moved or renamed.

    awaited: the paths of corrected photos that are no longer there
    new:     the photos to embed, of which those as large as one of these are read
    What is no fruit stays left out wherever it lies. Any other correction goes along as long as the
    photo would have the same label without it: in the folder of another, that is the later word.
    """
    gone, originals = set(awaited), corrections.originals
    of = {one.sha256: one.path for one in corrections.made if one.path in gone and one.sha256}
    sizes = {one.photo_bytes for one in corrections.made if one.path in gone}
    now: dict[str, list[PhotoRef]] = {}
    for ref in new if of else ():
        if ref.reason is None and ref.bytes in sizes:
            with suppress(OSError):  # the run that embeds it says why it cannot be read
                path = of.get(hashlib.sha256(photos.read(ref.path)).digest())
                if path is not None:
                    now.setdefault(path, []).append(ref)
    made: list[Correction] = []
    for one in corrections.made:
        to = [
            one._replace(path=ref.path)
            for ref in now.get(one.path, ())
            if one.decision is Decision.LEAVE_OUT or ref.label == originals[one.path]
        ]
        made += to or [one]
    return Corrections(tuple(made))


def ticked_off(refs: Iterable[PhotoRef], awaited: set[str]) -> Iterator[PhotoRef]:
    """Give the photos, and take their paths out of a set."""
    for ref in refs:
        awaited.discard(ref.path)
        yield ref


def without_left_out(refs: Iterable[PhotoRef], left_out: set[str]) -> Iterator[PhotoRef]:
    """Give the photos, those that people left out as rejects."""
    for ref in refs:
        if ref.path in left_out and ref.reason is None:
            yield ref._replace(reason=Reason.LEFT_OUT.value, detail="by verger relabel")
        else:
            yield ref
