"""Ctrl-C and SIGTERM: a run shuts down cleanly, or is ended after a few seconds."""

from __future__ import annotations

import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

STOPPED = "verger: stopped; nothing half-made was published."
CTRL_C, TERMINATED = 130, 143
PATIENCE = 12.0  # seconds; Spark ends in two or three, and beside other work in ten
_came: list[int] = []  # signals that a run was stopped by


@contextmanager
def ends_soon() -> Iterator[None]:
    """End the process so many seconds after a signal at the latest, whatever it waits for.

    What is under way may be a read that gives up after minutes. A STORE survives that a run is
    killed at any moment, and the next run goes on from there.
    """
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # What is ignored stays so.
    before = {number: handler for number, handler in signals.items() if callable(handler)}
    timers: list[threading.Timer] = []

    def answer(number: int, frame: types.FrameType | None) -> Any:
        _came.append(number)
        code = CTRL_C if number == signal.SIGINT else TERMINATED
        timer = threading.Timer(PATIENCE, _end, [code])
        timer.daemon = True
        timers.append(timer)
        timer.start()
        return before[signal.Signals(number)](number, frame)

    for number in before:
        signal.signal(number, answer)
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in before.items():
            if signal.getsignal(number) is answer:
                signal.signal(number, handler)


def end_without_threads(code: int) -> None:
    """End the process of a run that was stopped if threads are left: Python would wait for each."""
    others = set(threading.enumerate()) - {threading.main_thread()}
    if _came and any(not thread.daemon for thread in others):
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _end(code: int) -> None:
    with suppress(OSError):  # not `print`, whose lock the main thread may hold
        os.write(2, f"{STOPPED}\n".encode())
    os._exit(code)
