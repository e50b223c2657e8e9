"""A STORE as a run writes it: claimed, locked, published. What reads it is in `reader.py`.

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
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from verger.embed.card import framing_of, views_of
from verger.errors import StoreError
from verger.machine.folders import scratch_folder
from verger.photos.references import STORE_MARK
from verger.storage.place import Lease
from verger.store.layout import (
    FAILED_REJECTS,
    LOCK,
    MARK,
    RECORD,
    REJECTS,
    WORK,
)
from verger.store.manifest import listed_in
from verger.store.publication import (
    Publication,
    carry_out,
    clear_drafts,
    publish,
)
from verger.store.reader import RECORD_FORMAT, StoreReader
from verger.store.record_file import read_record
from verger.store.troubles import told_of, troubles_told
from verger.store.work import LockLost, Work, put_whole, run_name


class Store(StoreReader):
    """A STORE, to read and for one run to write."""

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        self._lease: Lease | None = None

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
        if empty is False and self.is_something_else():
            raise StoreError(
                f"{self.root} holds something other than a Verger STORE; nothing was touched.",
                hint="Name an empty or new folder, after PHOTOS.",
            )
        if not empty and not overwrite:
            self._refuse_to_mix(backbone)
        return empty is None

    def _refuse_to_mix(self, backbone: Mapping[str, Any]) -> None:
        record = self._decided_record()
        if record is None:
            return
        made = record["backbone"]
        if _decides(made) != _decides(backbone):
            raise StoreError(
                f"{self.root} was made with {_told(made)}; this run would use {_told(backbone)}. "
                "Their features cannot be mixed in one table.",
                hint="Leave out --backbone, --image-size, --views and --accurate to continue as "
                "STORE was made, or give --overwrite to embed all photos again.",
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
            f"Another run took over {self.root} while this one was suspended; this one published "
            "nothing.",
            hint="Wait until that run has ended, and run again.",
        )


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
