"""What a run leaves behind. The only module that knows the layout of a STORE.

    STORE/
      features/  rejects/  matrix/    Parquet tables
      matrix.csv
      corrections.parquet             the labels that people gave, where they gave any
      projection/                     pca.json and its arrays
      gallery/                        the photos as neighbours of new ones
      run.json                        the run record: what lies beside it belongs together
      .verger/                        marks the folder as a STORE
        store.json                    says so
        lock                          held by the run that writes
        work/                         what a run builds; finished parts outlive a run that stops
        publish.json                  what a run is about to move into place
        history/                      records of all runs, matrices of the last few

A run builds everything under `.verger/work/` (`work.py`). When all of it is there, it is put into
place as one (`publication.py`): while there is a record, all that lies beside it belongs to it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from verger.embed.card import framing_of, views_of
from verger.errors import StoreError, visible
from verger.machine.folders import scratch_folder
from verger.photos.references import STORE_MARK
from verger.storage.place import Lease, store_place
from verger.store.defects import Finding
from verger.store.layout import (
    FAILED_REJECTS,
    LOCK,
    MARK,
    RECORD,
    REDUCED,
    REJECTS,
    TABLES,
    WORK,
)
from verger.store.manifest import listed_in, looked_over
from verger.store.no_links import refuse_links
from verger.store.publication import (
    Incomplete,
    Journal,
    Publication,
    carry_out,
    clear_drafts,
    is_pending,
    publish,
)
from verger.store.record_file import Record, is_as_written, read_record
from verger.store.troubles import told_of, troubles_told
from verger.store.work import LockLost, Work, put_whole, run_name

RECORD_FORMAT = 3  # 1 had no ETags, 2 no small pictures
_LOG = logging.getLogger("verger")
_STORE_FIRST = "STORE comes first, as in `verger identify STORE PHOTO`."
_COMPLETED = "A run was stopped as it put its files into place in %s: that is done now."


class Store:
    """A STORE."""

    def __init__(self, root: str | Path) -> None:
        place = store_place(root)
        self.root = str(place)
        self.place = place.absolute()
        refuse_links(self.place)
        self._lease: Lease | None = None

    def table(self, name: str) -> list[str]:
        """Return the files of a table, in order."""
        return self.place.files(name, ".parquet")

    def record(self) -> Record | None:
        """Return the record of the whole run that the STORE holds, or None; look at nothing else.

        A run that was killed while it put its files into place is completed first, and a line of
        the log says so. Raises `StoreError` for a record that is none, or of a newer Verger.
        """
        if is_pending(self.place):
            self._complete()
        return self._read_record()

    def _complete(self) -> None:
        try:
            with self.place.lock(LOCK) as lease:
                if carry_out(self.place, lease):
                    _LOG.warning(_COMPLETED, self.root)
        except (OSError, LockLost):
            pass  # another does it now, or this user may not
        except Incomplete as error:
            if not self.place.exists(RECORD):
                raise
            _LOG.warning("%s", error)  # of all that, nothing was done: the last whole run is here

    def whole_run(self, tops: Iterable[str] = (*TABLES, *REDUCED)) -> Record:
        """Return the record of the whole run that is here, whose files below `tops` are looked at.

        Raises `StoreError` if there is none, and where a file is missing, or not as large as it
        was; or not what it was, if it is small.
        """
        while True:
            record = self._need(self.record())
            found = self.damage(record, tops)
            if not found:
                break
            if self.record() == record:  # else a run has published meanwhile
                raise found[0].error(str(self.place), len(found) - 1)
        if not is_as_written(record):
            self.warn(f"{RECORD} was changed since the run wrote it.")
        return record

    def run_as_it_is(self) -> Record:
        """Return the record of the whole run that is here; look at no file, and mend nothing."""
        return self._need(None if is_pending(self.place) else self._read_record())

    def damage(self, record: Record, tops: Iterable[str]) -> list[Finding]:
        """Look over the files below `tops` that a record lists."""
        return looked_over(self.place, listed_in(record), tops)

    def warn(self, what: str) -> None:
        """Say what was found here in a line of the log."""
        _LOG.warning("%s", visible(f"{self.root}: {what}"))

    def _need(self, record: Record | None) -> Record:
        if record is None and is_pending(self.place):
            raise StoreError(
                f"A run is putting its files into place in {self.root}, or was stopped as it did.",
                hint="Try again in a moment. If it stays so, `verger reduce` completes it.",
            )
        record = record or self._read_record()  # a run may have ended its publication just now
        if record is None:
            raise self._without_a_run()
        return record

    def _without_a_run(self) -> StoreError:
        """Tell a place that is no STORE yet from one that cannot become one."""
        try:
            empty = self.place.is_empty()
        except NotADirectoryError:
            return StoreError(f"{self.root} is a file; a STORE is a folder.", hint=_STORE_FIRST)
        why = {None: ": it does not exist", True: ": it is empty", False: ""}[empty]
        return StoreError(
            f"No finished run in {self.root}{why}.", hint="`verger run PHOTOS STORE` makes one."
        )

    def claim(self, *, backbone: Mapping[str, Any], overwrite: bool) -> bool:
        """Make the place a STORE that this run may write; say whether it is new.

        `backbone` is the backbone as records describe it. Raises `StoreError` where the place holds
        something that is no STORE, where its photos were embedded otherwise and `overwrite` is not
        set, and where it cannot be written.
        """
        is_new = self.check(backbone=backbone, overwrite=overwrite)
        with self._locked(), troubles_told(self.root):
            if not self.place.exists(MARK):
                put_whole(self.place, MARK, {"format": RECORD_FORMAT})
                self.place.delete_if_empty(WORK)
        return is_new

    def check(self, *, backbone: Mapping[str, Any], overwrite: bool) -> bool:
        """Check that a run may write here, without a trace; say whether the place is new."""
        try:
            empty = self.place.is_empty()
        except NotADirectoryError:
            if Path(self.root).is_file():
                raise StoreError(f"{self.root} is a file; STORE is a folder.") from None
            raise StoreError(f"Cannot write to {self.root}: not a folder.") from None
        except OSError as error:
            raise told_of(error, self.root) from None
        # An empty mark is what a claim leaves that was killed as it began.
        if empty is False and not self.is_marked() and self.place.entries("") != [STORE_MARK]:
            raise StoreError(
                f"{self.root} holds something other than a Verger STORE; nothing was touched.",
                hint="Name an empty or a new folder.",
            )
        if not empty and not overwrite:
            self._refuse_to_mix(backbone)
        return empty is None

    def record_to_grow(self) -> Mapping[str, Any] | None:
        """Return the record of the run that the next one goes on from; leave no trace."""
        try:
            return self._decided_record() if self.is_marked() else None
        except NotADirectoryError:  # `check` tells
            return None
        except OSError as error:
            raise told_of(error, self.root) from None

    def is_marked(self) -> bool:
        """Say whether the place is a STORE, or was meant to become one."""
        return bool(self.place.entries(STORE_MARK))

    def _refuse_to_mix(self, backbone: Mapping[str, Any]) -> None:
        record = self._decided_record()
        if record is None:
            return
        made = record["backbone"]
        if _decides(made) != _decides(backbone):
            raise StoreError(
                f"{self.root} was made with {_told(made)}; this run would use {_told(backbone)}. "
                "Their features cannot stand in one table.",
                hint="Leave --backbone, --image-size, --views and --accurate out to go on as STORE "
                "was made, or give --overwrite to embed all photos again.",
            )

    @contextmanager
    def working(self, made_by: str = "") -> Iterator[Work]:
        """Hold the STORE for one run, and clear away at its end, good or bad, what no run can use.

        Raises `StoreError` where another run holds it.
        """
        with (
            self._locked() as self._lease,
            scratch_folder() as scratch,
            troubles_told(self.root, str(scratch)),
        ):
            work = Work(self.place, run_name(), made_by, scratch)
            try:
                clear_drafts(self.place)
                carry_out(self.place, self._lease)
                work.clear_before(self._lease)
            except LockLost:
                raise self._is_taken_over() from None
            try:
                yield work
            finally:
                # What is decided is carried out before its sources are cleared away. Where another
                # run has taken the lock over, all of it is that run's.
                with suppress(OSError, LockLost):
                    if self._lease.renew():
                        carry_out(self.place, self._lease)
                        work.clear_after(self._lease)

    @contextmanager
    def _locked(self) -> Iterator[Lease]:
        with ExitStack() as stack:
            try:
                lease = stack.enter_context(self.place.lock(LOCK))
            except BlockingIOError:
                raise StoreError(
                    f"Another run is writing to {self.root}.", hint="Wait until it has ended."
                ) from None
            except OSError as error:
                raise told_of(error, self.root) from None
            yield lease

    def abandon(self) -> None:
        """Take back a claim on a place that was new, so that a mistaken path leaves no trace."""
        self.place.delete(STORE_MARK)
        self.place.delete_if_empty("")

    def keep_rejects(self, built: str) -> str:
        """Keep the rejects of a run that failed, given their file, and return where they are.

        A whole run that the STORE holds stays as it is, so theirs is another place then.
        """
        kept = FAILED_REJECTS
        if not self.place.exists(RECORD):
            for path in self.table(REJECTS):
                self.place.delete(path)
            kept = f"{REJECTS}/{built.rpartition('/')[2]}"
        self.place.move(built, kept)
        return f"{self.place}/{kept}"

    def publish(
        self, work: Work, record: Mapping[str, Any], publication: Publication
    ) -> dict[str, Any]:
        """Make these files, and no others, the STORE's, with their record, which is returned.

        The record lists them. Raises `StoreError`, and changes nothing, where another run has taken
        the lock over.
        """
        if self._lease is None:
            raise self._is_taken_over()
        said = {"format": RECORD_FORMAT, **record}
        try:
            published = publish(work, said, publication, self._lease, self._record_before())
        except LockLost:
            raise self._is_taken_over() from None
        with suppress(LockLost):
            work.drop_parts(self._lease)
            self.place.delete(FAILED_REJECTS)  # of a run before this one
        return published

    def _record_before(self) -> Mapping[str, Any]:
        """Return the record that the next one takes the place of; nothing if it is damaged.

        Raises OSError or `StoreError` where it cannot be read: it names what is to be kept.
        """
        try:
            text = self.place.read(RECORD)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        with suppress(StoreError):
            record = read_record(text, f"{self.place}/{RECORD}")
            listed_in(record)
            return record
        return {}

    def _is_taken_over(self) -> StoreError:
        return StoreError(
            f"Another run has taken over {self.root} while this one stood still; this one "
            "published nothing.",
            hint="Wait until that run has ended, and run again.",
        )

    def _decided_record(self) -> Mapping[str, Any] | None:
        """Return the record that there is or is about to be, and leave no trace."""
        with suppress(FileNotFoundError):  # carried out just now
            if is_pending(self.place):
                return Journal.read(self.place).record
        return self._read_record()

    def _read_record(self) -> Record | None:
        file = f"{self.place}/{RECORD}"
        try:
            record = read_record(self.place.read(RECORD), file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            error.filename = error.filename or file
            raise told_of(error, self.root) from None
        version = record["format"]
        if not isinstance(version, int) or version > RECORD_FORMAT:
            raise StoreError(
                f"{self.root} was written by a newer Verger (record format {version}).",
                hint="Upgrade Verger, or name another STORE.",
            )
        return record


def _decides(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides what a photo becomes, of the description of a backbone."""
    chosen = {name: backbone.get(name) for name in ("sha256", "image_size")}
    return chosen | {"views": views_of(backbone)}


def _told(backbone: Mapping[str, Any]) -> str:
    return f"{backbone['name']} (views {framing_of(backbone)})"


def fingerprint(backbone: Mapping[str, Any], **others: Any) -> str:
    """Name what decides what a photo becomes, in a few characters."""
    said = _decides(backbone) | others
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def now() -> str:
    """Return the time in UTC, as it stands in a record."""
    return dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
