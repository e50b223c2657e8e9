"""Putting into place what a run has built: decided at one moment, then carried out by whoever can.

A run writes down which files go where and which go, in the journal: from then on the new state is
decided. The old record is taken away, the files are moved, and the new record comes last. Killed
before, a STORE is what it was; killed after, whoever opens it next carries out what is written.

A run that stood still for so long that another took its lock over may go on at any step. None of
them does harm then, wherever the request that stood still arrives:

- To decide is to move a draft to where the journal is, and the lock is renewed between the writing
  of the draft and its move. Who takes a lock over deletes all drafts before anything else: either
  the journal is there by then and is carried out, or there is nothing left to move.
- A move's source lies in the work folder under the name of its run. Once it was moved, or cleared
  away, a late move of it finds nothing. So too for the record, which is moved like a file.
- What goes is deleted as the version that was seen while the lock was held, and no other. What has
  the same name in every run is first made this run's own, since its bytes may be the same, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from verger.errors import StoreError
from verger.photos.references import STORE_MARK
from verger.storage.checksum import Content
from verger.storage.place import Lease, Place
from verger.store.history import HistoryChange, entry_of, path_of, plan_history
from verger.store.layout import (
    CORRECTIONS,
    DRAFTS,
    GALLERY,
    HISTORY,
    JOURNAL,
    MATRIX_CSV,
    PROJECTION,
    RECORD,
    TABLES,
    WORK,
    is_kept,
    is_part,
    lies_in,
)
from verger.store.manifest import Files, as_listed, listed_in
from verger.store.record_file import read_record, sealed
from verger.store.work import LockLost, Work, as_json, check_held

# What may have the same name in two runs; the others' names are those of a run.
_NAMED_ALIKE = (
    f"{PROJECTION}/",
    f"{GALLERY}/",
    MATRIX_CSV,
    CORRECTIONS,
    f"{HISTORY}/{PROJECTION}/",
)


class Incomplete(StoreError):
    """A publication was cut short, and files that it needs are gone."""


@dataclass
class Publication:
    """The files that a STORE shall consist of from now on.

    folders: for each folder that is renewed, the paths of the files that make it up
    files:   for each single file that is renewed, where it lies, or None if there is none
    """

    folders: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)

    def changes(self, place: Place) -> tuple[list[tuple[str, str]], list[str]]:
        """Return the moves from the work folder to where files shall be, and what goes."""
        moves: list[tuple[str, str]] = []
        gone: list[str] = []
        for folder, sources in self.folders.items():
            targets = {f"{folder}/{source.rpartition('/')[2]}": source for source in sources}
            moves += [(source, to) for to, source in targets.items() if source != to]
            gone += [path for path in place.files(folder) if path not in targets]
        for name, source in self.files.items():
            if source is not None:
                moves.append((source, name))
            elif place.exists(name):
                gone.append(name)
        return moves, gone


def publish(
    work: Work,
    record: Mapping[str, Any],
    publication: Publication,
    lease: Lease,
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """Decide that these files, and no others, are the STORE's, with their record; do so.

    `before` is the record that there was. Returns the new one, which lists what there is now, and
    says which run of the history this is. Raises `LockLost`, with nothing decided, where another
    run has taken the lock over.
    """
    place, draft = work.place, f"{DRAFTS}/{work.run}.json"
    as_json(record)  # raises before anything is done
    try:
        changes, gone = publication.changes(place)
        contents = _contents(place, [source for source, _ in changes])
        moves = [Move(*change, contents[change[0]]) for change in changes]
        files: Files = listed_in(before)
        if moves or gone:
            files = _files(place, publication, moves, gone, files)
        found_new = bool(publication.folders or publication.files)
        change = plan_history(work, before, record, files, found_new=found_new)
        record = {**record, **change.says, **({"manifest": as_listed(files)} if files else {})}
        if found_new:
            change.put(work, path_of(record["run"]), entry_of(record))
        text = as_json(record := sealed(record))
        journal = Journal(*_with_history(change, moves, gone), json.loads(text), work.built(RECORD))
        place.put(journal.record_from, text)
        place.put(draft, as_json(journal.as_dict() | {"run": work.run}))
        if not lease.renew():
            raise LockLost
        place.move(draft, JOURNAL)
    except FileNotFoundError:  # perhaps cleared away by who has taken the lock over
        if lease.renew():
            raise
        raise LockLost from None
    with suppress(LockLost):  # it is decided: the rest is done by who holds the lock now
        try:
            journal.carry_out(place, lease)
        except OSError:  # what passes shall not make a run that is whole look like one that failed
            carry_out(place, lease)
    return dict(record)


def clear_drafts(place: Place) -> None:
    """Make sure that nobody who held the lock before can decide anything any more."""
    place.delete(DRAFTS)


def is_pending(place: Place) -> bool:
    """Say whether something is decided that is not, or not known to be, carried out."""
    return place.exists(JOURNAL)


def carry_out(place: Place, lease: Lease) -> bool:
    """Do what the journal says; say whether there is one.

    Raises `StoreError`, and changes nothing, where a file that it names is gone or another; and
    `LockLost`.
    """
    if not is_pending(place):
        return False
    journal = Journal.read(place)
    if not journal.is_carried_out(place):
        journal.check(place)
    journal.carry_out(place, lease)
    return True


@dataclass(frozen=True, slots=True)
class Move:
    """A file on its way; older journals say nothing of its content."""

    source: str
    to: str
    content: Content | None


@dataclass(frozen=True, slots=True)
class Journal:
    """What is decided.

    moves:       in this order
    gone:        the paths of files that go
    record:      the new record
    record_from: the record as a file, which is moved last; '' in older journals, which have none
    """

    moves: tuple[Move, ...]
    gone: tuple[str, ...]
    record: Mapping[str, Any]
    record_from: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written: what older versions read, and beside it what they ignore."""
        return {
            "moves": [[move.source, move.to] for move in self.moves],
            "gone": list(self.gone),
            "files": {move.to: move.content._asdict() for move in self.moves if move.content},
            "record": self.record,
            "record_from": self.record_from,
        }

    @classmethod
    def read(cls, place: Place) -> Journal:
        """Read the journal; what it names lies in the STORE, whoever wrote it."""
        try:
            said = json.loads(place.read(JOURNAL))
            record = read_record(json.dumps(said["record"]).encode(), f"{place}/{JOURNAL}")
            if "format" not in record:
                raise ValueError("its record is none")
            files = {
                str(to): Content(int(entry["bytes"]), entry["sha256"])
                for to, entry in said.get("files", {}).items()
            }
            moves = tuple(Move(source, to, files.get(to)) for source, to in said["moves"])
            journal = cls(moves, tuple(said["gone"]), record, said.get("record_from", ""))
            targets = [*(move.to for move in moves), *journal.gone]
            # From what is published, files go into the history and nowhere else.
            sources = [m.source for m in moves if not (is_part(m.source) and is_kept(m.to))]
            sources += filter(None, [journal.record_from])
            allowed = all(is_part(path) or is_kept(path) for path in targets)
            if not (allowed and all(lies_in(path, {STORE_MARK}) for path in sources)):
                raise ValueError("it names what is not part of a STORE")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"{place}/{JOURNAL} does not say what a run was about to publish ({error}).",
                hint="Delete it, and run again with --overwrite.",
            ) from None
        return journal

    def check(self, place: Place) -> None:
        """Check that each file is where it was, or where it shall be; raises `Incomplete`."""
        for move in self.moves:
            try:
                self._check_fits(move, place.content(move.source), place)
            except FileNotFoundError:
                self._check_is_there(place, move)

    def carry_out(self, place: Place, lease: Lease) -> None:
        """Do it; what is done already is not done again."""
        if not self.is_carried_out(place):
            self._move_all(place, lease)
        _take_away(place, lease, JOURNAL)
        place.delete_if_empty(WORK)

    def is_carried_out(self, place: Place) -> bool:
        """Say whether the new record, which comes last, is there."""
        if not self.record_from or place.exists(self.record_from):
            return False
        return place.exists(RECORD) and place.read(RECORD) == as_json(self.record)

    def _move_all(self, place: Place, lease: Lease) -> None:
        if self.moves or self.gone or not self.record_from:  # else the record alone is renewed
            _take_away(place, lease, RECORD)
        for move in self.moves:
            check_held(lease)
            try:
                place.move(move.source, move.to)
            except FileNotFoundError:
                if not lease.renew():
                    raise LockLost from None
                self._check_is_there(place, move)
        for path in self.gone:
            if path.startswith(_NAMED_ALIKE):
                self._make_own(place, lease, path)
            _take_away(place, lease, path)
        self._put_record(place, lease)

    def _make_own(self, place: Place, lease: Lease, path: str) -> None:
        """Put a file of this run's own in the place of one that goes.

        Another run may write the same name, and the same bytes: a late deletion must not find it.
        """
        if place.version(path) is None:
            return
        mark = f"{self.record_from.rpartition('/')[0] or WORK}/gone"
        place.put(mark, as_json({"gone": path, "by": self.record_from}))
        check_held(lease)
        try:
            place.move(mark, path)
        except FileNotFoundError:  # a run that stalled in this move has already made it
            if not lease.renew():
                raise LockLost from None

    def _put_record(self, place: Place, lease: Lease) -> None:
        text = as_json(self.record)
        check_held(lease)
        if not self.record_from:
            built = f"{WORK}/{RECORD}"
            place.put(built, text)
            place.move(built, RECORD)
            return
        try:
            place.move(self.record_from, RECORD)
        except FileNotFoundError:
            if not lease.renew():
                raise LockLost from None
            if not place.exists(RECORD) or place.read(RECORD) != text:
                raise self._damaged(place, self.record_from) from None

    def _check_is_there(self, place: Place, move: Move) -> None:
        """Check that a file without a source was moved already: the target is what it was."""
        try:
            found = place.content(move.to)
        except FileNotFoundError:
            raise self._damaged(place, move.source) from None
        self._check_fits(move, found, place)

    def _check_fits(self, move: Move, found: Content, place: Place) -> None:
        if move.content is not None and not move.content.fits(found):
            raise self._damaged(place, move.source)

    def _damaged(self, place: Place, path: str) -> Incomplete:
        return Incomplete(
            "A run was stopped while putting its files into place in "
            f"{place}, and {path} has gone or "
            "changed since.",
            hint=f"Delete {JOURNAL} there, and run again with --overwrite.",
        )


def _with_history(
    change: HistoryChange, moves: list[Move], gone: list[str]
) -> tuple[tuple[Move, ...], tuple[str, ...]]:
    """Return all moves and all that goes: what stays in the history is there before what is new."""
    kept = [Move(*move) for move in change.moves]
    moved = {move.source for move in kept}
    return (*kept, *moves), tuple(path for path in [*gone, *change.gone] if path not in moved)


def _files(
    place: Place, publication: Publication, moves: Iterable[Move], gone: list[str], before: Files
) -> Files:
    """List what there will be. What stays was listed before; of the tables, it is read if not."""
    new = {move.to: move.content for move in moves if move.content}
    renewed = {*publication.folders, *publication.files}
    stay = {source for sources in publication.folders.values() for source in sources}
    listed = [path for path in before if path in stay or path.split("/")[0] not in renewed]
    there = [path for table in TABLES for path in place.files(table, ".parquet")]
    stays = {*listed, *there}.difference(gone)
    unlisted = _contents(place, sorted(stays.difference(before)))
    return {path: before.get(path) or unlisted[path] for path in stays} | new


def _contents(place: Place, paths: list[str]) -> dict[str, Content]:
    with ThreadPoolExecutor(place.reads_at_once) as threads:
        return dict(zip(paths, threads.map(place.content, paths), strict=True))


def _take_away(place: Place, lease: Lease, path: str) -> None:
    """Delete a file, but never one that another run has put there since."""
    while (version := place.version(path)) is not None:
        check_held(lease)
        if place.delete_version(path, version):
            return
