"""Sorting a long listing: in memory, or by way of the disk."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa

from verger.machine.folders import scratch_folder
from verger.storage import limits

_T = TypeVar("_T")
_Row = TypeVar("_Row", bound=tuple[Any, ...])

Hear = Callable[[int], None]  # is told how many were found so far


def ignore(_found: int) -> None:
    """Hear, and do nothing."""


def counted(rows: Iterable[_T], hear: Hear) -> Iterator[_T]:
    """Give what comes, and tell how much that was."""
    for number, row in enumerate(rows, 1):
        hear(number)
        yield row


def in_order(rows: Iterator[_Row], row: Callable[..., _Row], schema: pa.Schema) -> Iterator[_Row]:
    """Sort tuples, of which `row` makes one of its fields, holding some ten thousand at a time.

    `schema` is how a row is kept on the disk. All are taken before the first is given.
    """
    held = sorted(islice(rows, limits.SORTED_AT_ONCE))
    if len(held) < limits.SORTED_AT_ONCE:
        yield from held
        return
    with scratch_folder() as folder:
        runs: list[Iterator[_Row]] = []
        while held:
            file = f"{folder}/{len(runs)}"
            _write_run(file, held, schema)
            runs.append(_read_run(file, row))
            held = sorted(islice(rows, limits.SORTED_AT_ONCE))
        yield from heapq.merge(*runs)


def _write_run(file: str, rows: list[Any], schema: pa.Schema) -> None:
    with pa.OSFile(file, "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        columns = zip(zip(*rows, strict=True), schema, strict=True)
        table = pa.table([pa.array(values, one.type) for values, one in columns], schema=schema)
        writer.write_table(table, max_chunksize=512)


def _read_run(file: str, row: Callable[..., _Row]) -> Iterator[_Row]:
    """Read a batch at a time, and hold no file open: there may be thousands."""
    number, batches = 0, 1
    while number < batches:
        with pa.OSFile(file) as source, pa.ipc.open_file(source) as reader:
            batches = reader.num_record_batches
            batch = reader.get_batch(number)
        yield from map(row, *(column.to_pylist() for column in batch.columns))
        number += 1
