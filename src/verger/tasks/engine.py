"""What carries out tasks: Spark (`verger.spark.engine`), or the threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

from verger.embed.features import Progress
from verger.errors import EngineError
from verger.machine.blas import on_one_thread
from verger.projections.moment_bytes import Parts, merged

Row = dict[str, Any]
# The number of a task → what it reports to while it is under way.
Tell = Callable[[int], AbstractContextManager[Progress]]
_T = TypeVar("_T")
_NO_MEMORY = "There is not enough memory for what this process does at once."


class Gpus(Protocol):
    """How tasks compute on GPUs."""

    def at_once(self, tasks: int) -> int:
        """Return how many of so many tasks may run at once."""

    def decoders_here(self) -> int:
        """Return how many threads decode, in a task."""

    def index(self) -> int:
        """Return which GPU is this task's, in a task."""


class Engine(Protocol):
    """Carries out numbered tasks."""

    @property
    def name(self) -> str:
        """What `--engine` calls it."""

    @property
    def cores(self) -> int:
        """How many tasks run at once."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of what it is made of, by name."""

    @property
    def gpus(self) -> Gpus | None:
        """How tasks compute on GPUs, where they are to."""

    def rows(
        self, count: int, task: Callable[[int], Row], schema: str, at_once: int | None = None
    ) -> list[Row]:
        """Carry out tasks 0 to `count`; return the row of each, in any order.

        schema:  of the rows, as Spark writes it
        at_once: how many may run at a time, where not as many as there are cores
        Raises what a task raises, and `EngineError` where the engine fails.
        """

    def moments(self, count: int, task: Callable[[int], Parts]) -> Parts:
        """Carry out tasks 0 to `count`, and merge what they give. Raises as `rows` does."""

    def telling(self, hear: Progress) -> AbstractContextManager[Tell]:
        """Have `hear` told what all tasks together report, (done, rejected), now and then."""


class ThisProcess:
    """Threads of this process: they start at once, and suffice for a few thousand photos.

    What takes long in a task lets other threads work: reading, decoding, the network, NumPy.
    """

    name = "process"
    gpus = None

    def __init__(self, cores: int) -> None:
        self.cores = cores
        self.versions: Mapping[str, str] = {}
        self._stopped = threading.Event()

    def rows(
        self,
        count: int,
        task: Callable[[int], Row],
        schema: str,  # noqa: ARG002 - rows stay what they are
        at_once: int | None = None,
    ) -> list[Row]:
        """Carry out tasks; see `Engine`."""
        return self._all(count, task, at_once)

    def moments(self, count: int, task: Callable[[int], Parts]) -> Parts:
        """Carry out tasks, and merge their moments; see `Engine`."""
        return merged(self._all(count, task))

    @contextmanager
    def telling(self, hear: Progress) -> Iterator[Tell]:
        """Add up what tasks report; see `Engine`. A task that reports after a stop ends there."""
        told: dict[int, tuple[int, int]] = {}
        door = threading.Lock()

        @contextmanager
        def tell(number: int) -> Iterator[Progress]:
            def report(embedded: int, rejected: int) -> None:
                if self._stopped.is_set():
                    raise _Stopped
                with door:
                    told[number] = (embedded, rejected)
                    sums = [sum(counts) for counts in zip(*told.values(), strict=True)]
                    hear(sum(sums), sums[1])

            yield report

        yield tell

    @on_one_thread  # of BLAS, for each of ours
    def _all(self, count: int, task: Callable[[int], _T], at_once: int | None = None) -> list[_T]:
        self._stopped.clear()
        pool = ThreadPoolExecutor(min(at_once or self.cores, max(count, 1)))
        try:
            futures = [pool.submit(task, number) for number in range(count)]
            return [_result(future) for future in futures]
        except BaseException as error:  # of a task, or Ctrl-C: the others need not go on
            self._stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, MemoryError) or "start new thread" in str(error):
                raise EngineError(_NO_MEMORY, hint="Give fewer --cores.") from None
            raise
        finally:
            pool.shutdown()


def _result(future: Future[_T]) -> _T:
    """Wait by the second: a signal that comes just before a wait wakes nobody."""
    while not wait([future], 1).done:
        pass
    return future.result()


class _Stopped(Exception):
    """Ends a task whose result nobody waits for any more."""
