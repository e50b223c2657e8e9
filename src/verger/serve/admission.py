"""How many requests may be inside at once, of all clients and of each, and how many a minute."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from verger.serve.problems import Kind, Problem

_MOST_CLIENTS = 10_000  # that are remembered: memory stays flat, however many there were
_MINUTE = 60.0  # seconds
_ONE_HOME = 64  # bits of an IPv6 address that are of one client, which has all addresses below


def client_of(address: str) -> str:
    """Return whom an address stands for: itself, or the network of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4 or found.ipv4_mapped:
        return address
    return str(ipaddress.ip_network((found, _ONE_HOME), strict=False))


class Rates:
    """So many requests a minute of any one client: a bucket that fills up again steadily.

    a_minute: the most; 0 for any number. Used from one event loop.
    """

    def __init__(self, a_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._now = a_minute, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # and since when

    def count(self, client: str) -> None:
        """Count a request of a client, or raise `Problem` (429), with Retry-After."""
        if not self._most:
            return
        now = self._now()
        left, since = self._left.pop(client, (float(self._most), now))
        left = min(self._most, left + (now - since) * self._most / _MINUTE)
        self._left[client] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        if left < 1:
            seconds = math.ceil((1 - left) * _MINUTE / self._most)
            detail = f"The most is {self._most} a minute of one client."
            raise Problem.busy(Kind.TOO_MANY_REQUESTS, detail, seconds)


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
