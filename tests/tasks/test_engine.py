"""Tasks on the threads of this process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from verger.errors import StoreError
from verger.projections.moment_bytes import Parts
from verger.projections.moments import Moments
from verger.tasks.engine import Row, ThisProcess


def test_every_task_gives_its_row() -> None:
    rows = ThisProcess(2).rows(5, lambda number: {"number": number}, "number long")
    assert rows == [{"number": number} for number in range(5)]
    assert ThisProcess(2).rows(0, lambda number: {"number": number}, "number long") == []


def test_no_more_run_at_once_than_there_are_cores() -> None:
    under_way, most, door = [0], [0], threading.Lock()

    def task(number: int) -> Row:
        with door:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.01)
        with door:
            under_way[0] -= 1
        return {"number": number}

    for cores, at_once, expected in ((3, None, 3), (3, 1, 1)):
        most[0] = 0
        ThisProcess(cores).rows(12, task, "number long", at_once)
        assert most[0] == expected


def test_moments_are_merged_space_by_space() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 3))

    def task(number: int) -> Parts:
        mine = Moments.of(rows[2 * number : 2 * number + 2])
        return {"raw": mine} if number else {"raw": mine, "unit": mine}

    found = ThisProcess(2).moments(3, task)
    assert (found["raw"].n, found["unit"].n) == (6, 2)
    np.testing.assert_allclose(found["raw"].scatter, Moments.of(rows).scatter)


def test_what_tasks_tell_is_added_up() -> None:
    engine, heard = ThisProcess(2), [(0, 0)]
    with engine.telling(lambda done, rejected: heard.append((done, rejected))) as tell:

        def task(number: int) -> Row:
            with tell(number) as report:
                report(1, 0)
                report(3, number)
            return {}

        engine.rows(3, task, "")
    assert heard[-1] == (12, 3)
    assert heard == sorted(heard)


def test_a_task_that_fails_ends_the_others() -> None:
    """The second would report for ever, and the third has not begun."""
    engine, begun = ThisProcess(2), []
    failed = threading.Event()
    with engine.telling(lambda *_: None) as tell:

        def task(number: int) -> Row:
            begun.append(number)
            with tell(number) as report:
                if number == 0:
                    failed.set()
                    raise StoreError("The disk is full.")
                while failed.wait():
                    report(1, 0)
                    time.sleep(0.001)
            return {}

        with pytest.raises(StoreError, match=r"The disk is full\."):
            engine.rows(50, task, "")
    assert len(begun) < 50


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, whatever was made of it in this process before."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_the_tasks() -> None:
    engine, over = ThisProcess(2), time.monotonic() + 60
    of_others = set(threading.enumerate())  # that tests before this one left in this process
    with engine.telling(lambda *_: None) as tell:

        def task(number: int) -> Row:
            with tell(number) as report:
                if number == 0:
                    time.sleep(0.1)  # until the rest is begun, and waited for
                    os.kill(os.getpid(), signal.SIGINT)
                while time.monotonic() < over:
                    report(1, 0)
                    time.sleep(0.001)
            return {}

        with pytest.raises(KeyboardInterrupt):
            engine.rows(2, task, "")
    left = set(threading.enumerate()) - of_others
    assert not [one for one in left if one.name.startswith("ThreadPoolExecutor")]


@pytest.mark.usefixtures("interruptible")
def test_a_signal_that_wakes_nobody_is_answered_within_a_second() -> None:
    """One that another thread is given, or that comes between a look and a wait."""
    over = threading.Event()

    def answer(*_: object) -> None:
        over.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, answer)

    def task(_: int) -> Row:
        time.sleep(0.1)  # until it is waited for
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        return {"in time": over.wait(20)}

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ThisProcess(2).rows(1, task, "")
    assert time.monotonic() - begun < 15
