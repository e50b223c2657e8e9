"""How many requests may be inside at once, of all clients and of each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from verger.serve.problems import Kind, Problem


class Places:
    """A bounded number of places, some of them for any one client. Used from one event loop."""

    def __init__(self, most: int, per_client: int) -> None:
        self._most = most
        self._per_client = per_client
        self._taken: Counter[str] = Counter()
        self.inside = 0

    def enter(self, client: str, seconds_each: float, at_once: int) -> None:
        """Take a place for a client, or raise `Problem`: 429 or 503, with Retry-After.

        `seconds_each` and `at_once` are what a request takes of late and how many are worked on
        side by side; they say when it is worth coming back.
        """
        seconds = round(self.inside * seconds_each / at_once)
        retry = min(max(seconds, 1), 60)
        if self.inside >= self._most:
            raise Problem.busy(Kind.OVERLOADED, f"Try again in {retry} s.", retry)
        if self._taken[client] >= self._per_client:
            raise Problem.busy(
                Kind.TOO_MANY_REQUESTS, f"The most is {self._per_client} of one client.", retry
            )
        self.inside += 1
        self._taken[client] += 1

    def leave(self, client: str, unfinished: Iterable[Future[Any]] = ()) -> None:
        """Give a client's place back once, when the last piece of unfinished work has ended.

        A decoder cannot be interrupted, so work that took too long still fills a worker: only
        with its end is there room for another request.
        """
        waiting = [future for future in unfinished if not future.done()]
        if not waiting:
            self._free(client)
            return
        loop = asyncio.get_running_loop()
        left = len(waiting)

        def ended() -> None:
            nonlocal left
            left -= 1
            if not left:
                self._free(client)

        for future in waiting:
            future.add_done_callback(lambda _future: loop.call_soon_threadsafe(ended))

    def _free(self, client: str) -> None:
        self.inside -= 1
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]  # memory stays flat, however many clients there were
