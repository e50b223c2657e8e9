"""Photos that keep a decoder busy for minutes hold up neither the others nor the end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import psutil

from makers.bombs import scan_bomb

from .conftest import Photo, Server
from .test_limits import _until, is_gone
from .wellformed import any_answer, any_problem

Start = Callable[..., AbstractContextManager[Server]]


def test_others_are_served_while_bombs_are_decoded(start: Start, photo: Photo) -> None:
    answers: list[httpx.Response] = []
    with start("--timeout", "25") as server:
        bombs = [
            threading.Thread(target=lambda: answers.append(server.identify(scan_bomb())))
            for _ in range(3)
        ]
        for bomb in bombs:
            bomb.start()
        for _ in range(5):
            assert server.identify(photo()).status_code == 200
        for bomb in bombs:
            bomb.join(60)
    assert len(answers) == 3
    for answer in answers:
        any_problem(answer)


def test_a_bomb_does_not_hold_up_the_end(start: Start) -> None:
    """Nor does it go on when the server is no more."""
    with start("--timeout", "600") as server:
        bomb = threading.Thread(target=_sent_in_vain, args=(server,))
        bomb.start()
        _until(lambda: server.inside() == 1 or not bomb.is_alive())
        processes = psutil.Process(server.process.pid).children(recursive=True)
        assert processes
        assert server.stop() == 0
        bomb.join(60)
        for process in processes:
            _until(lambda process=process: is_gone(process))  # type: ignore[misc]
    assert not server.said


def test_when_the_server_is_killed_its_processes_end(start: Start, photo: Photo) -> None:
    with start() as server:
        assert server.identify(photo()).status_code == 200
        processes = psutil.Process(server.process.pid).children(recursive=True)
        assert len(processes) >= 2
        server.process.kill()
        for process in processes:
            _until(lambda process=process: is_gone(process))  # type: ignore[misc]


def _sent_in_vain(server: Server) -> None:
    with contextlib.suppress(httpx.HTTPError):  # the server has ended
        any_answer(server.identify(scan_bomb()))
