"""The rejects of a STORE: which photos could not be used, and why."""

from __future__ import annotations

from collections.abc import Iterator
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


def rejected(store: Store) -> Iterator[Rejected]:
    """Give the rejects of a STORE, in order of path. Raises `StoreError` for a damaged table."""
    for file in store.table(REJECTS):
        for batch in batches(store.place, file, _COLUMNS):
            yield from (Rejected(**row) for row in batch.select(_COLUMNS).to_pylist())
