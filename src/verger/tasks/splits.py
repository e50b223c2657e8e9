"""Cutting the list of photos into tasks, by bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

# What one photo costs beside its bytes, as bytes: inference takes as long as reading some 50 kB.
COST_A_PHOTO = 50_000
MOST_PHOTOS = 4_000  # a task that is lost is done again; this bounds what that costs
_FEWEST_PHOTOS = 8  # two batches
_SHARES_A_CORE = 2


class Split(NamedTuple):
    """Consecutive rows of the list: `start` up to, not including, `stop`."""

    start: int
    stop: int


def cut(sizes: Iterable[int], photos: int, total_bytes: int, cores: int) -> list[Split]:
    """Cut `photos` photos of the given sizes into splits, one a task.

    Each split takes a fixed share of what is left, so that the first tasks are long and the last
    ones short: few tasks, few files, and all cores finish together, however unlike they are.
    """
    left = total_bytes + photos * COST_A_PHOTO
    fewest = min(max(photos // (40 * cores), _FEWEST_PHOTOS), 24)
    splits: list[Split] = []
    start = at = cost = 0
    target = left / (_SHARES_A_CORE * cores)
    for size in sizes:
        cost += size + COST_A_PHOTO
        at += 1
        taken = at - start
        if (cost >= target and taken >= fewest) or taken >= MOST_PHOTOS:
            splits.append(Split(start, at))
            left -= cost
            target = left / (_SHARES_A_CORE * cores)
            start, cost = at, 0
    if at > start:
        splits.append(Split(start, at))
    return splits
