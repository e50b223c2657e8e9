"""Sorting a long listing by way of the disk."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from verger.storage import limits
from verger.storage.sorting import in_order


class Row(NamedTuple):
    path: str
    size: int


SCHEMA = pa.schema([("path", pa.string()), ("size", pa.int64())])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc says what is open")
def test_no_file_is_held_open_however_long_the_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SORTED_AT_ONCE", 10)
    rows = [Row(f"{number:05}.jpg", number) for number in range(3000)]
    shuffled = random.Random(0).sample(rows, len(rows))  # noqa: S311 - no secret
    before = len(list(Path("/proc/self/fd").iterdir()))
    found: list[Row] = []
    most = 0
    for row in in_order(iter(shuffled), Row, SCHEMA):
        if len(found) % 100 == 0:
            most = max(most, len(list(Path("/proc/self/fd").iterdir())))
        found.append(row)
    assert found == rows
    assert most <= before + 2  # 300 runs are merged
