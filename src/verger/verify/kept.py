"""The history of a STORE: a record of each run, and the files of those that are kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from verger.storage.checksum import Content
from verger.store.defects import Finding
from verger.store.history import (
    MATRICES,
    PROJECTIONS,
    entry,
    files_of,
    kept_at,
    kept_in,
    numbers,
    run_of,
    stays,
)
from verger.store.record_file import Record
from verger.store.store import Store


def of_history(store: Store, record: Record, files: dict[str, Content]) -> Iterator[Finding]:
    """Look at the records of all runs; add the files of those kept to `files`, by where they are.

    What lies there beside them is of no run.
    """
    place, kept = store.place, set(kept_in(record))
    runs = sorted(kept.union(numbers(place)))
    with ThreadPoolExecutor(place.reads_at_once) as threads:
        found = dict(zip(runs, threads.map(lambda run: entry(place, run), runs), strict=True))
    now = dict(files)
    for run, one in found.items():
        if isinstance(one, Finding):
            yield one
        elif run in kept and run != run_of(record):
            for path, content in files_of(one).items():
                if not stays(path, content, now):
                    files[kept_at(path, content)] = content
    there = [*place.files(MATRICES), *place.files(PROJECTIONS)]
    for path in there:
        if path not in files:
            yield Finding(path, "is of no run that is kept", "The next run deletes it.")
