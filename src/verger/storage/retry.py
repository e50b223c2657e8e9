"""Doing again what failed in passing, where a client does not by itself."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from verger.storage.limits import FIRST_PAUSE, LONGEST_PAUSE

_T = TypeVar("_T")


def repeated(
    action: Callable[[], _T],
    passes: Callable[[Exception], bool],
    attempts: int,
    patience: float = float("inf"),
    *,
    asked: Callable[[Exception], float] = lambda _: 0.0,
) -> _T:
    """Return what an action does, in `attempts` at most, of which none begins after `patience` s.

    What `passes` says of an error is whether it may pass; one that may not is raised at once.
    `asked` says how many seconds it asks to wait at least.
    """
    start = time.monotonic()
    for attempt in range(1, attempts):
        try:
            return action()
        except Exception as error:
            wait = asked(error)
            if not passes(error) or time.monotonic() - start + wait > patience:
                raise
        longest = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)
        time.sleep(wait + random.uniform(0, longest))  # noqa: S311 - no secret
    return action()
