"""Relabelling: people's corrections of single labels, and all that is made of labels. No photo."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from verger.errors import StoreError, UsageError
from verger.photos.address import Address
from verger.photos.labels import LabelSheet
from verger.store.corrections import Correction, Corrections, Decision, hashes_of
from verger.store.inventory import Known
from verger.store.known_photos import KnownPhotos, each_once
from verger.store.layout import FEATURES, REJECTS
from verger.store.store import Store
from verger.texts.command import say

_CLOSE = 0.75  # how much like a known label one is that is taken for a slip
_SHOWN = 5  # labels that are named, of many that STORE has not


@dataclass(frozen=True, slots=True)
class Relabelling:
    """What a sheet, or undoing the last one, does to a STORE.

    corrections: those that the STORE has then
    labels:      the photos that get another label: path, label before, label after
    left_out:    the photos that are left out from then on, and were not before
    back:        those that come back: the next run opens them
    fine:        the photos that were looked at, and stay as they are
    doubted:     those that somebody had found fine, and which the report may list again
    as_before:   how many rows of the sheet ask for what is there already
    """

    corrections: Corrections
    labels: tuple[tuple[str, str | None, str | None], ...] = ()
    left_out: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    fine: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    as_before: int = 0

    def photos(self, store: Store) -> KnownPhotos:
        """Return the photos of the STORE with the labels that they get."""
        features, rejects = tuple(store.table(FEATURES)), tuple(store.table(REJECTS))
        labels = {path: after for path, _, after in self.labels}
        return KnownPhotos(store.place, features, rejects, labels)

    @property
    def is_nothing(self) -> bool:
        """Say whether the STORE is as the sheet asks for already."""
        return not (self.labels or self.left_out or self.back or self.fine or self.doubted)

    def as_json(self) -> dict[str, Any]:
        """Return what `verger relabel --json` prints of it."""
        return {
            "labels": [
                {"path": path, "before": before, "after": after}
                for path, before, after in self.labels
            ],
            "left_out": list(self.left_out),
            "back": list(self.back),
            "fine": list(self.fine),
            "doubted": list(self.doubted),
            "as_before": self.as_before,
        }


def corrected(store: Store, sheet: str | Path | None, *, new_labels: bool = False) -> Relabelling:
    """Say what a sheet does to a STORE, or what it does to take the last one back."""
    return _undone(store) if sheet is None else _applied(store, sheet, new_labels=new_labels)


def _applied(store: Store, sheet: str | Path, *, new_labels: bool) -> Relabelling:
    """Look at a sheet beside what a STORE holds.

    Raises `UsageError` where it names photos or, unless `new_labels`, labels that STORE has not.
    """
    there = Corrections.read(store.place)
    top = Address.of(str(store.run_as_it_is()["photos"])).name
    read = LabelSheet(Path(sheet), top)
    labels: set[str] = set()
    asked: list[tuple[Known, Decision, str | None]] = []
    tables = store.table(FEATURES), store.table(REJECTS)
    read.prefer(row.path for row in each_once(store.place, *tables))
    for row in each_once(store.place, *tables):
        if row.label is not None:
            labels.add(row.label)
        if (decided := read.decided(row.path)) is not None:
            asked.append((row, Decision(decided[0]), decided[1]))
    read.check()
    if not new_labels:
        _check_labels(sheet, labels, (label for _, _, label in asked if label))
    made, batch = dt.datetime.now(tz=dt.UTC), there.batches + 1
    out, fine, originals = there.left_out, there.fine, there.originals
    more: list[Correction] = []
    for row, decision, label in asked:
        is_out = row.path in out
        as_it_is = {
            Decision.LABEL: label == row.label and not is_out,
            Decision.LEAVE_OUT: is_out,
            Decision.FINE: row.path in fine and not is_out,
        }
        if not as_it_is[decision]:
            given = label if decision is Decision.LABEL else None
            original = originals.get(row.path, row.label)
            origin = Path(sheet).name
            more.append(Correction(row.path, decision, given, original, batch, made, origin))
    rows = {row.path: row for row, *_ in asked}
    hashes = hashes_of(store.place, tables[0], {one.path for one in more})
    more = [
        one._replace(photo_bytes=rows[one.path].bytes, sha256=hashes.get(one.path)) for one in more
    ]
    return _compared(there, there.with_more(more), rows, as_before=len(asked) - len(more))


def _undone(store: Store) -> Relabelling:
    """Take back the last sheet that a STORE was relabelled by. Raises `StoreError` without one."""
    there = Corrections.read(store.place)
    if not there.made:
        raise StoreError(f"{store.root} has no corrections to undo.")
    paths = {one.path for one in there.made if one.batch == there.batches}
    found = each_once(store.place, store.table(FEATURES), store.table(REJECTS))
    rows = {row.path: row for row in found if row.path in paths}
    return _compared(there, there.without_the_last(), rows)


def _compared(
    there: Corrections, then: Corrections, rows: dict[str, Known], as_before: int = 0
) -> Relabelling:
    """Say what becomes of photos, given the corrections that there are and that there will be."""
    labels, originals = then.labels, there.originals | then.originals
    after = {path: labels.get(path, originals.get(path, rows[path].label)) for path in rows}
    changed = [(p, row.label, after[p]) for p, row in rows.items() if row.label != after[p]]
    out, was_out = then.left_out, there.left_out
    changes = {path for path, *_ in changed} | out
    return Relabelling(
        then,
        tuple(one for one in changed if one[0] not in out),
        tuple(path for path in rows if path in out - was_out),
        tuple(path for path in rows if path in was_out - out),
        tuple(path for path in rows if path in then.fine - there.fine),
        tuple(path for path in rows if path in there.fine - then.fine and path not in changes),
        as_before,
    )


def _check_labels(sheet: str | Path, known: set[str], given: Iterable[str]) -> None:
    """Refuse labels that STORE has not: most are slips of the pen."""
    unknown = sorted(set(given) - known)
    if not unknown:
        return
    shown = ", ".join(_perhaps(label, sorted(known)) for label in unknown[:_SHOWN])
    rest = len(unknown) - _SHOWN
    more = f", and {rest} more" if rest > 0 else ""
    raise UsageError(
        f"{sheet}: no photo of STORE has the label {shown}{more}.",
        hint="--new-labels allows labels that STORE does not have yet.",
    )


def _perhaps(label: str, known: list[str]) -> str:
    """Name a label that there is not, and the one that was probably meant."""
    close = get_close_matches(label, known, 1, _CLOSE)
    return f"{label}{say(f' (did you mean {close[0]}?)')}" if close else label
