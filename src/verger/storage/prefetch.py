"""Work done ahead of whoever takes it, in order, by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def ahead(
    pool: ThreadPoolExecutor,
    work: Callable[[_T], _R],
    items: Iterable[_T],
    *,
    most: int,
    weight: Callable[[_T], int] = lambda _item: 0,
    most_weight: int = 0,
) -> Iterator[_R]:
    """Map in order, with up to `most` items (and `most_weight` of their weight) under way at once.

    At least one item is always under way. An exception of `work` is raised in its turn. When the
    caller stops early, what has not begun is cancelled.
    """
    pending: deque[tuple[int, Future[_R]]] = deque()
    held = 0
    try:
        for item in items:
            heavy = weight(item)
            while pending and (len(pending) >= most or held + heavy > max(most_weight, heavy)):
                done, future = pending.popleft()
                held -= done
                yield future.result()
            pending.append((heavy, pool.submit(work, item)))
            held += heavy
        while pending:
            yield pending.popleft()[1].result()
    finally:
        for _, future in pending:
            future.cancel()
