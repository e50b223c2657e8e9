"""What a run leaves behind. The only module that knows the layout of a STORE.

    STORE/
      features/  rejects/  matrix/    Parquet tables
      matrix.csv
      projection/                     pca.json and its arrays
      gallery/                        the photos as neighbours of new ones
      run.json                        the run record: what lies beside it belongs together
      .verger/                        marks the folder as a STORE
        store.json                    says so
        lock                          held by the run that writes
        work/                         what a run builds; finished parts outlive a run that stops
        publish.json                  what a run is about to move into place

A run builds everything under `.verger/work/`. When all of it is there, it writes down which files
go where and which go (`publish.json`): from then on the new state is decided. It takes the old
record away, moves the files, and puts the new record last. Killed before, the STORE is what it was;
killed after, whoever opens it next carries out what is written. While there is a record, all that
lies beside it belongs to it.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import json
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verger.errors import StoreError
from verger.photos.references import STORE_MARK
from verger.storage.place import Place, store_place
from verger.store.layout import FEATURES, GALLERY, MATRIX, MATRIX_CSV, PROJECTION, RECORD, REJECTS

RECORD_FORMAT = 2  # 1 had no ETags
_MARK = f"{STORE_MARK}/store.json"
_LOCK = f"{STORE_MARK}/lock"
_WORK = f"{STORE_MARK}/work"
_JOURNAL = f"{STORE_MARK}/publish.json"
FAILED_REJECTS = f"{STORE_MARK}/failed-rejects.parquet"


@dataclass(frozen=True, slots=True)
class Work:
    """Where a run that is under way builds what it will publish.

    run:     the name of the run, part of the names of its files
    made_by: what decides what a photo becomes; only parts made by the same are taken up again
    scratch: a folder of this machine, for what is put together before it is sent
    """

    place: Place
    run: str
    made_by: str
    scratch: Path

    @property
    def refs(self) -> str:
        """The photos to embed, one Parquet file."""
        return f"{_WORK}/refs.parquet"

    @property
    def edits(self) -> str:
        """What has to change in files that are there, one Parquet file."""
        return f"{_WORK}/edits.parquet"

    @property
    def parts(self) -> str:
        """The folder of the parts that tasks have finished."""
        return f"{_WORK}/parts-{self.made_by}"

    @property
    def rewritten(self) -> str:
        """The folder of the files that take the place of published ones."""
        return f"{_WORK}/rewritten"

    def built(self, name: str) -> str:
        """Where the part of a STORE that is called `name` is built."""
        return f"{_WORK}/{name}"

    def finished(self, table: str) -> list[str]:
        """Return the finished parts, their files of one table; rejects of no finished part go."""
        features = self.place.files(f"{self.parts}/{FEATURES}", ".parquet")
        if table == FEATURES:
            return features
        done = {path.rpartition("/")[2] for path in features}
        rejects = self.place.files(f"{self.parts}/{REJECTS}", ".parquet")
        return [path for path in rejects if path.rpartition("/")[2] in done]


@dataclass
class Publication:
    """The files that a STORE shall consist of from now on.

    folders: for each folder that is renewed, the paths of the files that make it up
    files:   for each single file that is renewed, where it lies, or None if there is none
    """

    folders: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)


class Store:
    """A STORE."""

    def __init__(self, root: str | Path) -> None:
        place = store_place(root)
        self.root = str(place)
        self.place = place.absolute()
        self._is_held: Callable[[], bool] = lambda: False

    def table(self, name: str) -> list[str]:
        """Return the files of a table, in order."""
        return self.place.files(name, ".parquet")

    def record(self) -> dict[str, Any] | None:
        """Return the record of the whole run that the STORE holds, or None.

        A run that was killed while it put its files into place is completed first. Raises
        `StoreError` for a record that is none, or of a newer Verger.
        """
        if self.place.exists(_JOURNAL):
            with suppress(BlockingIOError, OSError), self.place.lock(_LOCK):
                self._carry_out()
        return self._read_record()

    def whole_run(self) -> dict[str, Any]:
        """Return the record of the whole run that is here; `StoreError` if there is none."""
        record = self.record()
        if record is None:
            raise StoreError(
                f"{self.root} holds no whole run.", hint="`verger run PHOTOS STORE` makes one."
            )
        return record

    def claim(self, *, backbone: Mapping[str, Any], overwrite: bool) -> bool:
        """Make the place a STORE that this run may write; say whether it is new.

        `backbone` is the backbone as records describe it. Raises `StoreError` where the place holds
        something that is no STORE, where its photos were embedded otherwise and `overwrite` is not
        set, and where it cannot be written.
        """
        is_new = self.check(backbone=backbone, overwrite=overwrite)
        try:
            with self.place.lock(_LOCK):
                if not self.place.exists(_MARK):
                    self._put(_MARK, _json({"format": RECORD_FORMAT}))
                    self.place.delete_if_empty(_WORK)
        except BlockingIOError:
            raise self._is_busy() from None
        except OSError as error:
            raise _cannot_write(self.root, error) from None
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
            raise _cannot_write(self.root, error) from None
        # An empty mark is what a claim leaves that was killed as it began.
        if empty is False and not self.is_marked() and self.place.entries("") != [STORE_MARK]:
            raise StoreError(
                f"{self.root} holds something that is no STORE of Verger; nothing was touched.",
                hint="Name an empty or a new folder.",
            )
        if not empty and not overwrite:
            self._refuse_to_mix(backbone)
        return empty is None

    def is_marked(self) -> bool:
        """Say whether the place is a STORE, or was meant to become one."""
        return bool(self.place.entries(STORE_MARK))

    def _refuse_to_mix(self, backbone: Mapping[str, Any]) -> None:
        record = self.record()
        if record is None:
            return
        made = record.get("backbone", {})
        if any(made.get(name) != backbone[name] for name in _DECIDES):
            raise StoreError(
                f"{self.root} was made with another backbone ({made.get('name')}, "
                f"{made.get('image_size')} px); features of two cannot stand in one table.",
                hint="Give --overwrite to embed all photos again, or name another STORE.",
            )

    @contextmanager
    def working(self, made_by: str = "") -> Iterator[Work]:
        """Hold the STORE for one run, and clear away at its end, good or bad, what no run can use.

        Raises `StoreError` where another run holds it.
        """
        try:
            with (
                self.place.lock(_LOCK) as self._is_held,
                tempfile.TemporaryDirectory(prefix="verger-") as scratch,
            ):
                self._carry_out()
                work = Work(self.place, _run_name(), made_by, Path(scratch))
                self._tidy(work)
                try:
                    yield work
                finally:
                    with suppress(OSError):
                        # What is decided is carried out before its sources are cleared away. Where
                        # another run has taken the lock over, all of it is that run's.
                        if self._is_held():
                            self._carry_out()
                            self._tidy(work)
        except BlockingIOError:
            raise self._is_busy() from None
        except OSError as error:
            raise _cannot_write(self.root, error) from None

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

    def publish(self, work: Work, record: Mapping[str, Any], publication: Publication) -> None:
        """Make these files, and no others, the STORE's, with their record.

        Raises `StoreError`, and changes nothing, where another run has taken the lock over.
        """
        moves: list[tuple[str, str]] = []
        gone: list[str] = []
        for folder, sources in publication.folders.items():
            targets = {f"{folder}/{source.rpartition('/')[2]}": source for source in sources}
            moves += [(source, to) for to, source in targets.items() if source != to]
            gone += [path for path in self.place.files(folder) if path not in targets]
        for name, source in publication.files.items():
            if source is not None:
                moves.append((source, name))
            elif self.place.exists(name):
                gone.append(name)
        whole = {"format": RECORD_FORMAT, **record}
        if not self._is_held():
            raise StoreError(
                f"Another run has taken over {self.root} while this one stood still; this one "
                "published nothing.",
                hint="Wait until that run has ended, and run again.",
            )
        for source, _ in moves:  # Spark leaves the matrix to the system, to be written some day
            self.place.settle(source)
        if moves or gone:
            self._put(_JOURNAL, _json({"moves": moves, "gone": gone, "record": whole}))
            self._carry_out()
        else:
            self._put(RECORD, _json(whole))
        self.place.delete(work.parts)
        self.place.delete(FAILED_REJECTS)  # of a run before this one

    def _carry_out(self) -> None:
        """Do what the journal says; what is done already is not done again."""
        if not self.place.exists(_JOURNAL):
            return
        journal = self._journal()
        self.place.delete(RECORD)
        for source, to in journal["moves"]:
            if self.place.exists(source):
                self.place.move(source, to)
        for path in journal["gone"]:
            self.place.delete(path)
        self._put(RECORD, _json(journal["record"]))
        self.place.delete(_JOURNAL)
        self.place.delete_if_empty(_WORK)

    def _put(self, path: str, data: bytes) -> None:
        """Write a small file by way of the work folder, where no killed run leaves a trace."""
        built = f"{_WORK}/{path.rpartition('/')[2]}"
        self.place.put(built, data)
        self.place.move(built, path)

    def _journal(self) -> dict[str, Any]:
        """Read the journal; what it names lies in the STORE, whoever wrote it."""
        try:
            journal = json.loads(self.place.read(_JOURNAL))
            dict(journal["record"])
            targets = [*(to for _, to in journal["moves"]), *journal["gone"]]
            sources = [source for source, _ in journal["moves"]]
            allowed = all(_lies_in(path, _PUBLISHED) for path in targets)
            if not (allowed and all(_lies_in(path, {STORE_MARK}) for path in sources)):
                raise ValueError("it names what is no part of a STORE")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{self.place}/{_JOURNAL} does not say what a run was about to publish ({error}).",
                hint="Delete it, and run again with --overwrite.",
            ) from None
        return dict(journal)

    def _tidy(self, work: Work) -> None:
        """Clear the work folder, but for parts that a later run can take up."""
        for path in self.place.entries(_WORK):
            may_keep = path == work.parts or (not work.made_by and path.startswith(work.parts))
            if not (may_keep and self.place.files(f"{path}/{FEATURES}", ".parquet")):
                self.place.delete(path)
        self.place.delete_if_empty(_WORK)

    def _read_record(self) -> dict[str, Any] | None:
        file = f"{self.place}/{RECORD}"
        try:
            record = json.loads(self.place.read(RECORD))
            version = record["format"]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{file} is no run record ({error}).") from None
        if not isinstance(version, int) or version > RECORD_FORMAT:
            raise StoreError(
                f"{self.root} was written by a newer Verger (record format {version}).",
                hint="Upgrade Verger, or name another STORE.",
            )
        return dict(record)

    def _is_busy(self) -> StoreError:
        return StoreError(
            f"Another run is writing to {self.root}.", hint="Wait until it has ended."
        )


_PUBLISHED = {FEATURES, REJECTS, MATRIX, PROJECTION, GALLERY, MATRIX_CSV}


def _lies_in(path: str, tops: set[str]) -> bool:
    names = path.split("/")
    return names[0] in tops and not {"", ".", ".."}.intersection(names)


# What decides what a photo becomes, in the description of a backbone.
_DECIDES = ("sha256", "image_size", "resize_shorter_side")


def fingerprint(backbone: Mapping[str, Any], **others: Any) -> str:
    """Name what decides what a photo becomes, in a few characters."""
    said = {name: backbone[name] for name in _DECIDES} | others
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def now() -> str:
    """Return the time in UTC, as it stands in a record."""
    return dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")


def _run_name() -> str:
    return f"{dt.datetime.now(tz=dt.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def _cannot_write(root: str, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"The disk of {root} is full.", hint="Free some space, and run again.")
    return StoreError(f"Cannot write to {root}: {error.strerror or error}.")
