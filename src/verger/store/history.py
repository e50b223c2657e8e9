"""The runs before: a record of each, and the matrices of the last few.

    .verger/history/
      000012.json   the record of run 12, for good; `verger log` reads them all
      matrix/       files of earlier matrices, moved here as a later run took their place
      projection/   files of their projections, each under its SHA-256

All of it changes with a publication and is a part of it: run 12 and its record come as one. Which
runs' files are kept stands in `run.json`, as `kept`. A matrix's file is in one place: in `matrix/`
while the STORE's matrix has it, then here, then nowhere. Names of a matrix's files are those of a
run; of a projection they are not, so that what is to outlive it is copied before it is replaced.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from verger.errors import StoreError
from verger.storage.checksum import Content
from verger.storage.place import Place
from verger.store.defects import MISSING, Finding
from verger.store.layout import HISTORY, MATRIX, PROJECTION
from verger.store.manifest import Files, as_listed, listed_in, sha256_of
from verger.store.record_file import Record, is_as_written, read_record, sealed
from verger.store.work import Work, as_json

KEEP = 2  # matrices, the present one included
MATRICES, PROJECTIONS = f"{HISTORY}/{MATRIX}", f"{HISTORY}/{PROJECTION}"
_SHA256 = re.compile("[0-9a-f]{64}")


def path_of(run: int) -> str:
    """Return where the record of a run is."""
    return f"{HISTORY}/{run:06}.json"


def run_of(record: Mapping[str, Any]) -> int | None:
    """Return the number of a record's run; None in a record of an older Verger."""
    run = record.get("run")
    return run if type(run) is int and run > 0 else None


def kept_in(record: Mapping[str, Any]) -> list[int]:
    """Return the runs whose files a STORE with this record keeps, the present one first."""
    kept = record.get("kept")
    listed = [run for run in kept if type(run) is int] if isinstance(kept, list) else []
    run = run_of(record)
    return listed or ([run] if run else [])


def numbers(place: Place) -> list[int]:
    """Return the numbers of the runs that the history holds a record of, in order."""
    names = [path.rpartition("/")[2] for path in place.files(HISTORY, ".json")]
    found = [int(name[:-5]) for name in names if re.fullmatch(r"[0-9]{6,12}\.json", name)]
    return sorted(run for run in found if run)


def entry(place: Place, run: int) -> Record | Finding:
    """Read the record of a run, or say what is wrong with it."""
    path = path_of(run)
    try:
        text = place.read(path)
    except FileNotFoundError:
        remedy = "Restore a copy; otherwise the next run no longer keeps the files of that run."
        return Finding(path, MISSING, remedy)
    remedy = (
        "Restore a copy, or delete it: then the next run no longer keeps the files of that run."
    )
    try:
        record = read_record(text, f"{place}/{path}")
    except StoreError:
        return Finding(path, "is not a run record", remedy)
    if not is_as_written(record) or run_of(record) != run:
        return Finding(path, "was changed since the run wrote it", remedy)
    return record


def files_of(record: Mapping[str, Any]) -> Files:
    """Return the files of a run's matrix and projection, by path; none in some older records."""
    try:
        listed = listed_in(record)
    except StoreError:
        return {}
    mine = {path: c for path, c in listed.items() if path.split("/")[0] in (MATRIX, PROJECTION)}
    known = all(c.sha256 is not None and _SHA256.fullmatch(c.sha256) for c in mine.values())
    return mine if known and {path.split("/")[0] for path in mine} == {MATRIX, PROJECTION} else {}


def kept_at(path: str, content: Content) -> str:
    """Return where a file of an earlier run is, once it is no part of the STORE's own."""
    return f"{HISTORY}/{path}" if path.startswith(f"{MATRIX}/") else f"{PROJECTIONS}/{content[1]}"


def stays(path: str, content: Content, files: Files) -> bool:
    """Say whether a file of an earlier run is one of the STORE's own, which are `files`."""
    return path in files if path.startswith(f"{MATRIX}/") else files.get(path) == content


def entry_of(record: Mapping[str, Any]) -> bytes:
    """Write a run's record as the history keeps it: of its files, those of the matrix alone."""
    said = {name: value for name, value in record.items() if name not in ("manifest", "kept")}
    return as_json(sealed({**said, "manifest": as_listed(files_of(record))}))


@dataclass
class HistoryChange:
    """What becomes of the history as a run publishes.

    says:  what the record of that run says of it
    moves: files on their way into the history: source, target, content
    gone:  files that go from it
    """

    says: dict[str, Any] = field(default_factory=dict)
    moves: list[tuple[str, str, Content]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def put(self, work: Work, to: str, data: bytes) -> None:
        """Write a file of the history into the work folder, from where it is moved."""
        source = work.built(f"history/{to.rpartition('/')[2]}")
        work.place.put(source, data)
        self.moves.append((source, to, Content(len(data), hashlib.sha256(data).hexdigest())))


def plan_history(
    work: Work,
    before: Mapping[str, Any],
    record: Mapping[str, Any],
    after: Files,
    *,
    found_new: bool,
) -> HistoryChange:
    """Decide which runs' files are kept from now on, and prepare what is to be moved.

    `before` is the record that there was, `record` the new one, and `after` the files that there
    will be. A run that found nothing new is none of the history. One of which a file is missing or
    damaged is kept no longer.
    """
    change, place, run = HistoryChange(), work.place, run_of(before)
    if not found_new and run is None:
        return change
    last = max([run or 0, *numbers(place)])
    if before and run is None:  # an older Verger's: its place in the history is here
        run = last = last + 1
        change.put(work, path_of(run), entry_of({**before, "run": run}))
        candidates = [(run, files_of(before))]
    else:
        entries = [(number, entry(place, number)) for number in kept_in(before)]
        candidates = [(n, {} if isinstance(e, Finding) else files_of(e)) for n, e in entries]
    keep = _keep(record, before)
    shelf = _Shelf(place, before, after)
    kept = [last + 1] if found_new else []
    matrices = {_matrix(after)}  # runs that share one, since nothing but rejects came, count as one
    for number, files in candidates:
        if len(matrices | {_matrix(files)}) > keep:
            break
        if files and shelf.keep(files):
            matrices.add(_matrix(files))
            kept.append(number)
    change.gone = shelf.left_over()
    for to, what in shelf.wanted.items():
        if isinstance(what, bytes):
            change.put(work, to, what)
        elif what is not None:
            change.moves.append((what, to, Content(shelf.sizes[what], None)))
    change.says = {"run": last + 1 if found_new else run, "kept": kept}
    if "settings" in record:
        change.says["settings"] = {**record["settings"], "keep": keep}
    return change


def _keep(record: Mapping[str, Any], before: Mapping[str, Any]) -> int:
    """Return how many matrices are to be kept: as this run says, else as the one before."""
    said = [one["settings"].get("keep") for one in (record, before) if "settings" in one]
    return next((keep for keep in said if type(keep) is int and keep > 0), KEEP)


def _matrix(files: Iterable[str]) -> frozenset[str]:
    """Name a matrix by its files."""
    return frozenset(path for path in files if path.startswith(f"{MATRIX}/"))


class _Shelf:
    """Where the files of earlier runs are, and where they are to be.

    wanted: what shall be in the history: a file of the STORE that is moved there, bytes that are
            written, or None for what is there already
    """

    def __init__(self, place: Place, before: Mapping[str, Any], after: Files) -> None:
        self._place, self._before, self._after = place, files_of(before), after
        self._kept = place.sizes(MATRICES) | place.sizes(PROJECTIONS)
        self.sizes = self._kept | place.sizes(MATRIX)
        self.wanted: dict[str, bytes | str | None] = {}

    def keep(self, files: Files) -> bool:
        """Want these files, unless one is missing or damaged; say whether they are all there."""
        wanted: dict[str, bytes | str | None] = {}
        moved: dict[str, Content] = {}
        for path, content in files.items():
            to = kept_at(path, content)
            if stays(path, content, self._after):
                continue
            if self._kept.get(to) == content.bytes or to in self.wanted:
                wanted[to] = self.wanted.get(to)
            elif path.startswith(f"{MATRIX}/"):
                if self.sizes.get(path) != content.bytes:
                    return False
                wanted[to], moved[path] = path, content
            else:
                data = self._read(path) if self._before.get(path) == content else b""
                if hashlib.sha256(data).hexdigest() != content.sha256:
                    return False
                wanted[to] = data
        with ThreadPoolExecutor(self._place.reads_at_once) as threads:
            if any(threads.map(self._is_altered, moved, moved.values())):
                return False
        self.wanted |= wanted
        return True

    def left_over(self) -> list[str]:
        """Return the files in the history that nothing wants."""
        return sorted(path for path in self._kept if path not in self.wanted)

    def _is_altered(self, path: str, content: Content) -> bool:
        """Say whether a file of the STORE holds something else than its run wrote.

        Damage is the very reason for some runs, and not to be kept. A fault that is none of the
        file's, such as a full disk, ends the run.
        """
        try:
            return sha256_of(self._place, path) != content.sha256
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno == errno.EIO:
                return True
            raise

    def _read(self, path: str) -> bytes:
        try:
            return self._place.read(path)
        except FileNotFoundError:
            return b""
