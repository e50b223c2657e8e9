"""What a STORE holds, for whoever reads it: tables, and the record of the last whole run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from verger.errors import StoreError, visible
from verger.photos.references import STORE_MARK
from verger.storage.place import store_place
from verger.store.defects import Finding
from verger.store.layout import LOCK, RECORD, REDUCED, TABLES
from verger.store.manifest import listed_in, looked_over
from verger.store.no_links import refuse_links
from verger.store.publication import Incomplete, Journal, carry_out, is_pending
from verger.store.record_file import Record, is_as_written, read_record
from verger.store.troubles import told_of
from verger.store.work import LockLost
from verger.texts.command import say

RECORD_FORMAT = 3  # 1 had no ETags, 2 no small pictures
_LOG = logging.getLogger("verger")
_STORE_FIRST = "STORE comes first, as in `verger identify STORE PHOTO`."


class StoreReader:
    """A STORE, to read. What a run does to it is in `store.py`."""

    def __init__(self, root: str | Path) -> None:
        place = store_place(root)
        self.root = str(place)
        self.place = place.absolute()
        refuse_links(self.place)

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
                    self.warn(
                        "a run was stopped while putting its files into place: this "
                        "is now complete."
                    )
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
        _LOG.warning("%s", visible(f"{self.root}{say(': ')}{say(what)}"))

    def _need(self, record: Record | None) -> Record:
        if record is None and is_pending(self.place):
            raise StoreError(
                f"A run is putting its files into place in {self.root}, or "
                "was stopped while doing so.",
                hint="Try again in a moment. If this persists, `verger reduce` completes it.",
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
            if Path(self.root).is_file():
                return StoreError(f"{self.root} is a file; a STORE is a folder.", hint=_STORE_FIRST)
            empty = None
        except OSError:  # a folder that may be entered, but not listed
            empty = False
        if empty is False and self.is_something_else():
            return StoreError(
                f"No finished run in {self.root}: it holds something else.", hint=_STORE_FIRST
            )
        why = {None: ": it does not exist", True: ": it is empty", False: ""}[empty]
        return StoreError(
            f"No finished run in {self.root}{why}.", hint="`verger run PHOTOS STORE` makes one."
        )

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

    def is_something_else(self) -> bool:
        """Say whether a place that is not empty is no STORE, nor was meant to become one."""
        try:  # an empty mark is what a claim leaves that was killed as it began
            return not self.is_marked() and self.place.entries("") != [STORE_MARK]
        except OSError:  # the mark is a file, or nothing here may be listed
            return False

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
