"""Blocks of rows for matrix products, and moments as rows of a table, to travel between tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from verger.moments import Moments

_ROWS_A_BLOCK = 4096

MOMENTS_SCHEMA = pa.schema(
    [
        ("space", pa.string()),
        ("n", pa.int64()),
        ("mean", pa.binary()),
        ("scatter", pa.binary()),
        ("labels", pa.list_(pa.string())),
        ("label_counts", pa.list_(pa.int64())),
        ("label_means", pa.binary()),
    ]
)


def blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Gather batches into tables of some 4,096 rows, large enough for matrix products."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if len(batch):
            held.append(batch)
        if sum(len(one) for one in held) >= _ROWS_A_BLOCK:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def pack(space: str, moments: Moments) -> pa.RecordBatch:
    """Make the one row that moments travel as; `space` says of what they are."""
    row = {
        "space": space,
        "n": moments.n,
        "mean": moments.mean.tobytes(),
        "scatter": moments.scatter.tobytes(),
        "labels": list(moments.labels),
        "label_counts": moments.label_counts.tolist(),
        "label_means": moments.label_means.tobytes(),
    }
    return pa.RecordBatch.from_pylist([row], schema=MOMENTS_SCHEMA)


def unpack(row: dict[str, Any]) -> Moments:
    """Read a row that `pack` made."""
    mean = np.frombuffer(row["mean"])
    width = len(mean)
    return Moments(
        n=row["n"],
        mean=mean,
        scatter=np.frombuffer(row["scatter"]).reshape(width, width),
        labels=tuple(row["labels"]),
        label_counts=np.array(row["label_counts"], dtype=np.int64),
        label_means=np.frombuffer(row["label_means"]).reshape(-1, width),
    )
