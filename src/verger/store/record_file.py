"""`run.json` as a file: sealed when it is written, its shape checked when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from verger.errors import StoreError
from verger.store.defects import finding
from verger.store.layout import RECORD
from verger.store.work import as_json

# What is there, if it is, is of this kind.
_KINDS = {
    "photos": str, "finished": str, "settings": dict, "counts": dict, "labels": int,
    "backbone": dict, "projection": dict, "gallery": dict, "seconds": dict, "versions": dict,
    "notes": list, "manifest": dict, "run": int, "kept": list,
}  # fmt: skip
_SEAL = "sha256"


class Record(dict[str, Any]):
    """A run record, or a part of it. What it lacks, whoever asks for it, is a `StoreError`."""

    def __init__(self, values: Mapping[str, Any], file: str) -> None:
        super().__init__(values)
        self._file = file

    def __missing__(self, name: str) -> Any:
        raise _damaged(self._file, f"it names no {name}")


def read_record(text: bytes, file: str) -> Record:
    """Read a record, of any format. Raises `StoreError` where it is none, or incomplete."""
    try:
        record = json.loads(text, object_hook=partial(Record, file=file))
    except (ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from None
    if not isinstance(record, Record):
        raise _damaged(file, "it names nothing")
    for name, kind in _KINDS.items():
        if name in record and not isinstance(record[name], kind):
            raise _damaged(file, f"its {name} is not what it should be")
    counts = record.get("counts", {})
    if not all(type(counts[n]) is int for n in ("listed", "embedded", "rejected") if n in counts):
        raise _damaged(file, "its counts are not numbers")
    return record


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Add the SHA-256 of all that a record says."""
    said = {name: value for name, value in record.items() if name != _SEAL}
    return said | {_SEAL: hashlib.sha256(as_json(said)).hexdigest()}


def is_as_written(record: Mapping[str, Any]) -> bool:
    """Say whether nothing in a record was changed since; older ones have no seal."""
    return _SEAL not in record or sealed(record)[_SEAL] == record[_SEAL]


def _damaged(file: str, why: str) -> StoreError:
    return StoreError(f"{file} is not a run record ({why}).", hint=finding(RECORD, "").remedy)
