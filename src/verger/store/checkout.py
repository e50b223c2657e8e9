"""The matrix of an earlier run, out of the history into a folder of the user's."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from verger.errors import StoreError, UsageError
from verger.photos.address import Address
from verger.progress import Reporter, Silent
from verger.storage.checksum import Content
from verger.storage.folder import LocalPlace
from verger.storage.place import Place
from verger.store.defects import MISSING, Finding, finding
from verger.store.history import (
    entry,
    entry_of,
    files_of,
    kept_at,
    kept_in,
    numbers,
    run_of,
    stays,
)
from verger.store.layout import MATRIX, PROJECTION, RECORD
from verger.store.log import OLDER, ended, log
from verger.store.manifest import listed_in
from verger.store.record_file import Record
from verger.store.store import Store
from verger.store.troubles import troubles_told


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """What was written: of which run, which ended when, and into which folder.

    run: its number; None in a STORE that only an older Verger has written
    """

    run: int | None
    finished: str
    folder: str
    files: int
    bytes: int


def moment(text: str) -> dt.datetime:
    """Read a date, which ends at midnight, or a time; in UTC unless it says otherwise.

    Raises `UsageError`.
    """
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return dt.datetime.combine(day, dt.time.max, dt.UTC)
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--as-of {text} is not a date.", hint="Write 2026-11-28, or 2026-11-28T06:00."
        ) from None
    return when if when.tzinfo else when.replace(tzinfo=dt.UTC)


def checkout(
    store: Store,
    output: str | Path,
    run: int | None = None,
    as_of: dt.datetime | None = None,
    reporter: Reporter | None = None,
) -> CheckedOut:
    """Write matrix, projection and record of a run into a new or empty folder, the record last.

    It is run number `run`, or the last one that had ended by `as_of`. Nothing in STORE is changed.
    Raises `StoreError` where there is no such run, where its files are kept no longer, and where
    one is damaged; `UsageError` for an output that is none. Whatever is raised, nothing is left.
    """
    folder = Address.of(output).file
    if folder is None:
        raise UsageError(f"--output {output} is not a folder of this machine.")
    to = LocalPlace(folder).absolute()
    with troubles_told(store.root, str(to)):
        _refuse(to.root, store.place)
        now = store.run_as_it_is()
        if as_of is not None:
            run = _last_by(store, as_of)
        record = now if run is None else _record_of(store, now, run)
        if not (files := files_of(record)):
            raise StoreError(
                f"The run of {store.root} that ended {ended(record)} was made by an older "
                "Verger, which did not list its files.",
                hint="`verger reduce STORE` makes a matrix whose files are listed.",
            )
        if run is not None and run not in kept_in(now):
            raise _kept_no_longer(store, now, run)
        with (
            _all_or_nothing(to),
            (reporter or Silent()).stage("Copying", len(files), "files") as stage,
        ):
            for done, (path, content) in enumerate(files.items(), 1):
                _copy(store, run, path, content, to)
                stage.update(done)
            to.put(RECORD, entry_of(record))
    size = sum(content.bytes for content in files.values())
    return CheckedOut(run, ended(record), str(output), len(files), size)


def _refuse(output: Path, place: Place) -> None:
    """Refuse an output that is not new or empty, or that lies in the STORE."""
    for there in (output, *output.parents):
        if there.exists() and not there.is_dir():
            raise UsageError(f"--output {output} cannot be a folder: {there} is a file.")
    if output.exists() and any(output.iterdir()):
        raise UsageError(f"--output {output} is not empty.", hint="Name a new or an empty folder.")
    if place.holds(LocalPlace(output)):
        raise UsageError(f"--output {output} is inside STORE.", hint="Name a folder elsewhere.")


def _last_by(store: Store, as_of: dt.datetime) -> int | None:
    """Find the last run that had ended by then; None is the one of an older Verger's."""
    logged = log(store)
    for one in logged:
        if _time(one.finished) <= as_of:
            return one.run
    raise StoreError(
        f"{store.root} had no run yet by {as_of:%Y-%m-%d %H:%M} {as_of.tzname()}.",
        hint=f"The first known run ended {logged[-1].finished}." if logged else "",
    )


def _time(text: str) -> dt.datetime:
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        return dt.datetime.max.replace(tzinfo=dt.UTC)  # never
    return when if when.tzinfo else when.replace(tzinfo=dt.UTC)


def _record_of(store: Store, now: Record, run: int) -> Record:
    runs = numbers(store.place)
    found = entry(store.place, run) if run in runs or run in kept_in(now) else None
    if isinstance(found, Record):
        return found
    if run == run_of(now):
        return now
    if found is not None:
        raise found.error(store.root)
    known = (
        f"It has runs {runs[0]} to {runs[-1]}: `verger log STORE` lists them." if runs else OLDER
    )
    raise StoreError(f"{store.root} has no run {run}.", hint=known)


def _kept_no_longer(store: Store, now: Record, run: int) -> StoreError:
    kept = ", ".join(map(str, kept_in(now)))
    return StoreError(
        f"The matrix of run {run} is no longer kept in {store.root}; kept: {kept}.",
        hint="`verger run --keep N` keeps more of future ones.",
    )


def _copy(store: Store, run: int | None, path: str, content: Content, to: Place) -> None:
    """Copy a file of a run from where it is: it goes from the STORE's own to the history.

    A run that publishes meanwhile may move it from the one to the other, and delete it.
    """
    wrong = {}
    for at in (path, kept_at(path, content)):
        try:
            _copy_if_it_fits(store.place, at, content, to, path)
        except FileNotFoundError:
            wrong[at] = MISSING
        except _Another:
            wrong[at] = "is not what the run wrote: its SHA-256 differs"
        else:
            return
    now = store.run_as_it_is()
    if run is not None and run not in kept_in(now):
        raise _kept_no_longer(store, now, run)
    if stays(path, content, listed_in(now)):
        raise finding(path, wrong[path]).error(store.root)
    at = kept_at(path, content)
    raise Finding(at, wrong[at], "Restore a copy, if you have one.").error(store.root)


class _Another(Exception):
    """A file is not the one that a run left."""


def _copy_if_it_fits(place: Place, at: str, content: Content, to: Place, path: str) -> None:
    pieces, sha256, size = place.pieces(at), hashlib.sha256(), 0
    first = next(pieces, b"")  # before there is anything to clear away
    with to.incoming(path) as file, file.open("wb") as out:
        for piece in chain([first], pieces):
            sha256.update(piece)
            size += out.write(piece)
        if not content.fits(Content(size, sha256.hexdigest())):
            raise _Another


@contextmanager
def _all_or_nothing(to: LocalPlace) -> Iterator[None]:
    """Empty a folder again where what is written to it is not all there."""
    is_new = not to.root.exists()
    try:
        yield
    except BaseException:
        for name in (MATRIX, PROJECTION, RECORD):
            to.delete(name)
        if is_new:
            to.delete_if_empty("")
        raise
