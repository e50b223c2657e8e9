"""The rejects of a STORE: which photos could not be used, and why."""

from __future__ import annotations

from typing import NamedTuple

from verger.store.layout import REJECTS
from verger.store.store import Store
from verger.store.tables import batches

_COLUMNS = ["path", "label", "reason", "detail"]


class Rejected(NamedTuple):
    """One reject, as its row in `rejects/` has it."""

    path: str
    label: str | None
    reason: str
    detail: str | None


def rejected(store: Store) -> list[Rejected]:
    """Return the rejects of a STORE, in order of path. Raises `StoreError` without a whole run."""
    store.whole_run([REJECTS])
    return [
        Rejected(*(row[name] for name in _COLUMNS))
        for file in store.table(REJECTS)
        for batch in batches(store.place, file, _COLUMNS)
        for row in batch.to_pylist()
    ]
