"""What the history tells of the runs of a STORE."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from verger.settings import OF_PROJECTION
from verger.store.defects import Finding
from verger.store.history import entry, files_of, kept_in, numbers, path_of, run_of
from verger.store.record_file import sealed
from verger.store.store import Store
from verger.store.work import as_json
from verger.texts.command import say

OLDER = "An older Verger wrote this STORE: its history begins with the next run."


@dataclass(frozen=True, slots=True)
class Logged:
    """One run, as `verger log` tells it.

    run:      its number; None where an older Verger made it, and no run came after
    finished: when it ended, UTC
    reduced:  it was `verger reduce`, which opens no photo and changes none
    changes:  what it found, in photos: new, changed, gone, relabelled and more, as in its record
    settings: those that were others in the run before, and what they are now
    photos, rejected: of how many its matrix is, and how many were rejects
    k, variance:      components, and the share of variance that they keep
    held:     the projection was that of an earlier run; see --refit
    drift:    the verdict of its report on new photos; None where it has none
    kept:     its matrix is there
    """

    run: int | None
    finished: str
    reduced: bool
    changes: dict[str, int]
    settings: dict[str, Any]
    photos: int
    rejected: int
    k: int
    variance: float
    held: bool
    drift: str | None
    kept: bool

    def as_json(self) -> dict[str, Any]:
        """Return what `verger log --json` prints of it."""
        return asdict(self)


def log(store: Store, last: int | None = None) -> list[Logged]:
    """Return the runs of a STORE, the last one first, or only so many. Nothing is changed there.

    Records that are damaged are left out, and a line of the log says so. Raises `StoreError` where
    there is no whole run.
    """
    now, place = store.run_as_it_is(), store.place
    kept = set(kept_in(now))
    runs = numbers(place)[::-1][: last and last + 1]  # one more, to compare the last with
    with ThreadPoolExecutor(place.reads_at_once) as threads:
        found = list(threads.map(lambda run: entry(place, run), runs))
    for one in found:
        if isinstance(one, Finding):
            store.warn(f"{one.where} {say(one.what)}.")
    records = [one for one in found if not isinstance(one, Finding)]
    if run_of(now) is None:  # an older Verger's, which no history knows of
        records.insert(0, now)
    return [_logged(one, old, kept) for one, old in zip_longest(records, records[1:])][:last]


def ended(record: Mapping[str, Any]) -> str:
    """Return when a run ended, or when what it had embedded was fitted to again."""
    return max(str(record.get("finished", "")), _reduced(record))


def note_drift(store: Store, record: Mapping[str, Any], verdict: str) -> None:
    """Note in the history what the first report of a run says of its new photos.

    Later ones compare it with itself. A run without a report has no verdict.
    """
    run = run_of(record)
    found = entry(store.place, run) if run else None
    if found is None or isinstance(found, Finding) or "drift" in found:
        return
    store.place.put(path_of(found["run"]), as_json(sealed({**found, "drift": verdict})))


def _logged(record: Mapping[str, Any], before: Mapping[str, Any] | None, kept: set[int]) -> Logged:
    counts, projection = record["counts"], record["projection"]
    run, finished, drift = run_of(record), ended(record), record.get("drift")
    reduced = _reduced(record) == finished
    changes = {} if reduced else {k: n for k, n in record["changes"].items() if type(n) is int}
    return Logged(
        run, finished, reduced, changes, _other_settings(record, before),
        counts["embedded"], counts["rejected"],
        int(projection["k"]), float(projection["explained_variance"]),
        bool(projection.get("held")),
        drift if isinstance(drift, str) else None, run in kept and bool(files_of(record)),
    )  # fmt: skip


def _other_settings(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings that decide the matrix and were others in the run before."""
    if before is None:
        return {}
    now, then = record.get("settings", {}), before.get("settings", {})
    return {n: now[n] for n in (*OF_PROJECTION, "refit") if n in now and now[n] != then.get(n)}


def _reduced(record: Mapping[str, Any]) -> str:
    reduced = record.get("reduced")
    return str(reduced.get("finished", "")) if isinstance(reduced, dict) else ""
