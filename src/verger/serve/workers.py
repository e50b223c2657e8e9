"""Decoding, embedding and looking up, in a few threads, so that the event loop never waits."""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from verger.gallery import Answer
from verger.identify import Identifier
from verger.photos.reasons import Reject
from verger.serve.metrics import Metrics
from verger.serve.problems import Kind, Problem

_Result = TypeVar("_Result")
_SMOOTHING = 0.1  # of the running mean of seconds a request


class Workers:
    """Threads that share one network: ONNX Runtime and Pillow let go of Python's lock."""

    def __init__(self, count: int | None, metrics: Metrics) -> None:
        self.count = count or len(os.sched_getaffinity(0))
        self.seconds_each = 0.1
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="verger-worker")
        # Of their own: behind the photos of others, a look-up would wait ten times what it takes.
        self._lookups = ThreadPoolExecutor(self.count, thread_name_prefix="verger-lookup")
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="verger-reader")

    def warm_up(self, identifier: Identifier) -> None:
        """Do once, before the first request, what is done only once: imports, allocations."""
        blank = io.BytesIO()
        Image.new("RGB", (64, 64)).save(blank, "JPEG")
        identifier.identify([blank.getvalue()])

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
                features = await self._features(identifier, photos, under_way, began)
                return await self._searched(identifier, np.stack(features), under_way)
        except TimeoutError:
            raise Problem.busy(Kind.TIMED_OUT, f"It took over {timeout:g} s.", 5) from None
        finally:
            for future in under_way:
                future.cancel()
            took = time.perf_counter() - began
            self.seconds_each += _SMOOTHING * (took - self.seconds_each)

    async def _features(
        self,
        identifier: Identifier,
        photos: Sequence[bytes],
        under_way: list[Future[Any]],
        began: float,
    ) -> list[npt.NDArray[np.float32]]:
        futures = [self._pool.submit(self._one, identifier, photo, began) for photo in photos]
        under_way += futures
        rows = []
        for number, future in enumerate(futures, 1):
            try:
                rows.append(await asyncio.wrap_future(future))
            except Reject as reject:
                self._metrics.rejected.labels(reject.reason.value).inc()
                raise Problem.of_photo(reject, number) from None
        return rows

    def _one(
        self, identifier: Identifier, photo: bytes, submitted: float
    ) -> npt.NDArray[np.float32]:
        started = time.perf_counter()
        self._metrics.stage.labels("wait").observe(started - submitted)
        try:
            return identifier.features(photo)
        finally:
            self._metrics.stage.labels("features").observe(time.perf_counter() - started)

    async def _searched(
        self,
        identifier: Identifier,
        features: npt.NDArray[np.float32],
        under_way: list[Future[Any]],
    ) -> Answer:
        started = time.perf_counter()
        future = self._lookups.submit(identifier.gallery.identify, features)
        under_way.append(future)
        answer = await asyncio.wrap_future(future)
        self._metrics.stage.labels("search").observe(time.perf_counter() - started)
        return answer

    async def read(self, work: Callable[[int], bytes], number: int) -> bytes:
        """Read something small from the disk, beside the photos that are worked on."""
        return await asyncio.wrap_future(self._readers.submit(work, number))

    async def aside(self, work: Callable[[], _Result]) -> _Result:
        """Do something that takes long, beside the photos that are worked on."""
        return await asyncio.wrap_future(self._readers.submit(work))

    def stop(self) -> None:
        """Take no more work; what is under way ends by itself."""
        for pool in (self._pool, self._lookups, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)
