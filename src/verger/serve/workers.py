"""Decoding, embedding and looking up, in a few threads, so that the event loop never waits.

Each thread has the photo of the moment decoded by a process of its own, which can be ended.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from verger.gallery import Answer
from verger.gallery.identify import Identifier
from verger.machine.cores import cores
from verger.photos.reasons import Reject
from verger.serve.decoders import MOST_ASIDE, Decoders, OutOfTime
from verger.serve.decoding import blank
from verger.serve.metrics import Metrics
from verger.serve.problems import Kind, Problem

_Result = TypeVar("_Result")
_THREADS_ALONE = 2  # a network takes for a photo that is alone; more were not tried
_SMOOTHING = 0.1  # of the running mean of seconds a request


class _Fruit:
    """The photos of one fruit: whichever thread ends the last of them looks the fruit up."""

    def __init__(self, identifier: Identifier, photos: int) -> None:
        self._identifier = identifier
        self._features = np.empty((photos, identifier.gallery.width), dtype=np.float32)
        self._left = photos
        self._lock = threading.Lock()

    def embed(self, number: int, photo: bytes, decoders: Decoders, deadline: float) -> bool:
        """Embed one of the photos; say whether it was the last.

        Raises `Reject`; or `OutOfTime` at the deadline.
        """
        identifier = self._identifier
        pixels = decoders.decode(photo, identifier.framing, identifier.max_pixels, deadline)
        self._features[number] = identifier.embed(pixels, alone=decoders.alone)
        with self._lock:
            self._left -= 1
            return not self._left

    def look_up(self) -> Answer:
        """Say what the fruit is, from all its photos in their order."""
        return self._identifier.gallery.identify(self._features)


def threads_alone(workers: int | None) -> int:
    """Return how many threads a network takes for a photo that no other is worked on beside."""
    return min(_THREADS_ALONE, workers or cores())


class Workers:
    """Threads that share one network: ONNX Runtime lets go of Python's lock."""

    def __init__(self, count: int | None, metrics: Metrics) -> None:
        self.count = count or cores() + 1  # one is decoded while the cores compute the others
        self.seconds_each = 0.1
        self._metrics = metrics
        self._decoders = Decoders(self.count)
        self._pool = ThreadPoolExecutor(self.count + MOST_ASIDE, thread_name_prefix="verger-worker")
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="verger-reader")

    def warm_up(self, identifier: Identifier) -> None:
        """Do once, before the first request, what is done only once: imports, allocations."""
        identifier.identify([blank()])
        identifier.identify([blank()], alone=True)
        self._decoders.warm_up()

    async def identify(
        self,
        identifier: Identifier,
        photos: Sequence[bytes],
        timeout: float,
        under_way: list[Future[Any]],
    ) -> Answer:
        """Say what one fruit is; the photos are shared out among the threads.

        What was begun is appended to `under_way`. Raises `Problem` for the first bad photo, or
        after `timeout` seconds.
        """
        began = time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                return await self._answer(identifier, photos, time.monotonic() + timeout, under_way)
        except (TimeoutError, OutOfTime):
            raise Problem.busy(Kind.TIMED_OUT, "It took too long.", 5) from None
        finally:
            for future in under_way:
                future.cancel()
            took = time.perf_counter() - began
            self.seconds_each += _SMOOTHING * (took - self.seconds_each)

    async def _answer(
        self,
        identifier: Identifier,
        photos: Sequence[bytes],
        deadline: float,
        under_way: list[Future[Any]],
    ) -> Answer:
        fruit, now = _Fruit(identifier, len(photos)), time.perf_counter()
        futures = [
            self._pool.submit(self._one, fruit, *each, deadline, now) for each in enumerate(photos)
        ]
        under_way += futures
        answers = []
        for number, future in enumerate(futures, 1):
            try:
                answers.append(await asyncio.wrap_future(future))
            except Reject as reject:
                self._metrics.rejected.labels(reject.reason.value).inc()
                raise Problem.of_photo(reject, number) from None
        return next(answer for answer in answers if answer is not None)  # one was the last

    def _one(
        self, fruit: _Fruit, number: int, photo: bytes, deadline: float, submitted: float
    ) -> Answer | None:
        """Embed one photo, and look the fruit up where it was the last.

        In this thread, with nothing in between: with all cores busy, each handing over to another
        thread waits up to 4 ms for one, ten times what a look-up takes.
        """
        with self._decoders.turn():
            started = time.perf_counter()
            self._metrics.stage.labels("wait").observe(started - submitted)
            try:
                last = fruit.embed(number, photo, self._decoders, deadline)
            finally:
                embedded = time.perf_counter()
                self._metrics.stage.labels("features").observe(embedded - started)
            if not last:
                return None
            answer = fruit.look_up()
            self._metrics.stage.labels("search").observe(time.perf_counter() - embedded)
            return answer

    async def aside(self, work: Callable[..., _Result], *given: Any) -> _Result:
        """Read from the disk, or do what takes long, beside the photos that are worked on."""
        return await asyncio.wrap_future(self._readers.submit(work, *given))

    def stop(self) -> None:
        """Take no more work; what is being decoded is given up."""
        self._decoders.close()
        self._pool.shutdown(wait=False)  # what waits in it is given up one after another
        self._readers.shutdown(wait=False, cancel_futures=True)
