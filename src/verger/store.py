"""What a run leaves behind. The only module that knows the layout of a STORE.

    STORE/
      features/  rejects/  matrix/    Parquet tables
      matrix.csv
      projection/                     pca.json and its arrays
      run.json                        the run record, written last: without it nothing is whole
      .verger/                        marks the folder as a STORE; work under way lies in it

A run builds everything under `.verger/`, and moves it into place at the end: the old run record
goes first, the new one comes last. Killed at any moment, the STORE either holds one whole run with
its record, or no record, and the next run clears away what lies there.
"""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from verger.errors import StoreError
from verger.photos.source import STORE_MARK

RECORD_FORMAT = 1
FEATURES, REJECTS, MATRIX = "features", "rejects", "matrix"
PROJECTION, MATRIX_CSV, RECORD = "projection", "matrix.csv", "run.json"
REDUCED_PARTS = (MATRIX, PROJECTION, MATRIX_CSV)
ALL_PARTS = (FEATURES, REJECTS, *REDUCED_PARTS)
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Work:
    """Where a run that is under way builds what it will publish."""

    folder: Path

    @property
    def refs(self) -> Path:
        """The listed photos, one Parquet file."""
        return self.folder / "refs.parquet"

    @property
    def outcomes(self) -> Path:
        """What embedding gives, a Parquet table partitioned by `outcome`."""
        return self.folder / "outcomes"

    def outcome(self, value: str) -> Path:
        """One partition of the outcomes."""
        return self.outcomes / f"outcome={value}"

    def published(self, name: str) -> Path:
        """Where the part of a STORE that is called `name` is built."""
        return self.folder / name


class Store:
    """A STORE on a local disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def mark(self) -> Path:
        """The folder that marks a STORE."""
        return self.root / STORE_MARK

    def path(self, name: str) -> Path:
        """Where a published part lies; absolute, as Arrow and Spark take `a:b/c` for a URI."""
        return self.root.absolute() / name

    def record(self) -> dict[str, Any] | None:
        """Return the record of the last whole run, or None.

        Raises `StoreError` for a record that cannot be read, or that a newer version wrote.
        """
        file = self.path(RECORD)
        try:
            record = json.loads(file.read_bytes())
            version = record["format"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{file} is no run record ({error}).") from None
        if not isinstance(version, int) or version > RECORD_FORMAT:
            raise StoreError(
                f"{self.root} was written by a newer Verger (record format {version}).",
                hint="Upgrade Verger, or name another STORE.",
            )
        return dict(record)

    def claim(self, *, backbone_sha256: str, overwrite: bool) -> bool:
        """Make the folder a STORE that this run may write; say whether the folder is new.

        Raises `StoreError` where it holds something that is no STORE, where it holds a run and
        `overwrite` is not set, and where it cannot be written.
        """
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(f"{self.root} is a file; STORE is a folder.")
        try:
            if not self.mark.is_dir() and self.root.is_dir() and any(self.root.iterdir()):
                raise StoreError(
                    f"{self.root} holds something that is no STORE of Verger; nothing was touched.",
                    hint="Name an empty or a new folder.",
                )
            if self.mark.is_dir() and not overwrite:
                self._refuse_to_replace(backbone_sha256)
            is_new = not self.root.exists()
            self.mark.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.root, error) from None
        return is_new

    def _refuse_to_replace(self, backbone_sha256: str) -> None:
        record = self.record()
        if record is None:
            return
        made = record.get("backbone", {})
        if made.get("sha256") != backbone_sha256:
            what = f"{self.root} was made with another backbone ({made.get('name')})."
        else:
            what = (
                f"{self.root} already holds the run of {record.get('finished', 'an earlier day')}."
            )
        raise StoreError(what, hint="Give --overwrite to replace it, or name another STORE.")

    @contextmanager
    def working(self) -> Iterator[Work]:
        """Hold the STORE for one run, and clear the work away at its end, good or bad.

        Raises `StoreError` where another run holds it. The lock is the operating system's, so
        that no killed run leaves it behind.
        """
        import fcntl

        try:
            lock = (self.mark / _LOCK).open("w")
        except OSError as error:
            raise _cannot_write(self.root, error) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(
                    f"Another run is writing to {self.root}.", hint="Wait until it has ended."
                ) from None
            work = Work(self.path(STORE_MARK) / "work")
            try:
                _remove(work.folder)
                work.folder.mkdir()
                yield work
            except OSError as error:
                raise _cannot_write(self.root, error) from None
            finally:
                shutil.rmtree(work.folder, ignore_errors=True)

    def abandon(self) -> None:
        """Take back a claim on a folder that was new, so that a mistaken path leaves no trace."""
        shutil.rmtree(self.mark, ignore_errors=True)
        with suppress(OSError):
            self.root.rmdir()  # unless it holds something else

    def keep_rejects(self, work: Work) -> Path:
        """Keep the rejects of a run that failed, and return where they are.

        A whole run that the STORE holds stays as it is, so theirs is another place then.
        """
        kept = self.mark / "failed-rejects" if self.path(RECORD).exists() else self.path(REJECTS)
        if kept == self.path(REJECTS):
            for name in ALL_PARTS:
                _remove(self.path(name))
        _remove(kept)
        work.published(REJECTS).rename(kept)
        return kept

    def publish(self, work: Work, record: dict[str, Any], parts: tuple[str, ...]) -> None:
        """Move these parts of what was built into place, the record last."""
        built = work.published(RECORD)
        text = json.dumps({"format": RECORD_FORMAT, **record}, indent=2, allow_nan=False)
        built.write_text(text + "\n", encoding="utf-8")
        self.path(RECORD).unlink(missing_ok=True)
        for name in parts:
            _remove(self.path(name))
            if work.published(name).exists():
                work.published(name).rename(self.path(name))
        _sync(built)
        built.rename(self.path(RECORD))


def now() -> str:
    """Return the time in UTC, as it stands in a record."""
    return dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")


def refs_schema() -> pa.Schema:
    """Schema of the listed photos; `reason` is null but for what the listing itself rejects."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("bytes", pa.int64(), nullable=False),
            pa.field("modified", pa.timestamp("us", tz="UTC")),
            pa.field("reason", pa.string()),
            pa.field("detail", pa.string()),
        ]
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot_write(root: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"The disk of {root} is full.", hint="Free some space, and run again.")
    return StoreError(f"Cannot write to {root}: {error.strerror or error}.")
