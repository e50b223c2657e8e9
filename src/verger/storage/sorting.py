"""Sorting a long listing: in memory, or by way of the disk."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa

from verger.storage import limits

_Row = TypeVar("_Row", bound=tuple[Any, ...])


def in_order(
    rows: Iterator[_Row],
    row: Callable[..., _Row],
    schema: pa.Schema,
    hear: Callable[[int], None] = lambda _found: None,
) -> Iterator[_Row]:
    """Sort tuples, of which `row` makes one of its fields, holding some ten thousand at a time.

    `schema` is how a row is kept on the disk. `hear` is told how many rows were taken so far: all
    are, before the first is given.
    """
    rows = _counted(rows, hear)
    held = sorted(islice(rows, limits.SORTED_AT_ONCE))
    if len(held) < limits.SORTED_AT_ONCE:
        yield from held
        return
    with tempfile.TemporaryDirectory(prefix="verger-") as folder, ExitStack() as stack:
        runs: list[Iterator[_Row]] = []
        while held:
            file = f"{folder}/{len(runs)}"
            _write_run(file, held, schema)
            runs.append(stack.enter_context(closing(_read_run(file, row))))
            held = sorted(islice(rows, limits.SORTED_AT_ONCE))
        yield from heapq.merge(*runs)


def _counted(rows: Iterator[_Row], hear: Callable[[int], None]) -> Iterator[_Row]:
    for number, row in enumerate(rows, 1):
        hear(number)
        yield row


def _write_run(file: str, rows: list[Any], schema: pa.Schema) -> None:
    with pa.OSFile(file, "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        columns = zip(zip(*rows, strict=True), schema, strict=True)
        table = pa.table([pa.array(values, one.type) for values, one in columns], schema=schema)
        writer.write_table(table, max_chunksize=512)


def _read_run(file: str, row: Callable[..., _Row]) -> Generator[_Row, None, None]:
    with pa.OSFile(file) as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            yield from map(row, *(column.to_pylist() for column in batch.columns))
