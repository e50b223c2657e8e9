"""Samples of photos, drawn by their labels and paths: whatever the order of the rows, the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


def stratified(codes: Ints, most: int, keys: Callable[[], Keys]) -> Ints:
    """Choose at most `most` of n rows, as evenly over labels as they allow; ascending.

    codes: (n,), the label of each row
    keys:  gives (n,) numbers as good as random, the least of which are taken of each label; asked
           only where there are more than `most`

    Each label gives all its rows, or as many as every other label that has more. Rows without a
    label count as one label. Where there are more labels than `most`, rows are drawn from all.
    """
    n = len(codes)
    if n <= most:
        return np.arange(n)
    _, strata, counts = np.unique(codes, return_inverse=True, return_counts=True)
    level = _level(counts, most)
    if not level:
        return np.sort(np.argsort(keys(), kind="stable")[:most])
    order = np.lexsort((keys(), strata))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = np.arange(n) - np.repeat(starts, counts)
    return np.sort(order[place < level])


def keys_of(paths: pa.ChunkedArray) -> Keys:
    """Return a number for each path, the same wherever it stands."""
    return digests(path.encode() for chunk in paths.chunks for path in chunk.to_pylist())


def digests(items: Iterable[bytes]) -> Keys:
    """Hash each item to eight bytes."""
    joined = b"".join(hashlib.blake2b(item, digest_size=8).digest() for item in items)
    return np.frombuffer(joined, dtype=np.uint64)


def matched(marks: Keys, among: Keys) -> Ints:
    """Return for each mark the place of its like among others, each taken once; -1 where none is.

    Those alike are taken in their order.
    """
    waiting: dict[int, list[int]] = {}
    for place, mark in enumerate(among.tolist()):
        waiting.setdefault(mark, []).append(place)
    found = (waiting.get(mark) for mark in marks.tolist())
    return np.array([some.pop(0) if some else -1 for some in found], np.int64)


def _level(counts: Ints, most: int) -> int:
    """Return the largest level such that Σ min(count, level) stays within `most`."""
    low, high = 0, int(counts.max())
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(counts, middle).sum() <= most:
            low = middle
        else:
            high = middle - 1
    return low
