"""Clients who say nothing, or do not read what they asked for: the others are served as ever."""

from __future__ import annotations

import contextlib
import re
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from .conftest import Photo, Server
from .test_limits import _until

Start = Callable[..., AbstractContextManager[Server]]
_ASKS = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_silent_clients_do_not_take_the_places_of_those_who_speak(
    start: Start, photo: Photo
) -> None:
    with start() as server, _many(server, 1200) as silent:
        assert server.get("/healthz").status_code == 200
        assert server.identify(photo()).status_code == 200
        # It is the one that waited longest that had to go.
        _until(lambda: _is_closed(silent[0]))
        assert not _is_closed(silent[-1])


def test_those_who_do_not_read_do_not_take_the_places_of_those_who_do(
    start: Start, photo: Photo
) -> None:
    with start(files=100) as server, _many(server, 120) as clients:
        for client in clients:
            _ask_and_do_not_read(client)
        assert server.get("/healthz").status_code == 200
        assert server.identify(photo()).status_code == 200


def test_who_does_not_read_is_shown_out(start: Start) -> None:
    with start("--timeout", "1") as server, _many(server, 1) as (client,):
        _ask_and_do_not_read(client)
        _until(lambda: _is_closed(client))
        assert server.get("/healthz").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_those_who_do_not_read_do_not_hold_up_the_end(start: Start, number: int) -> None:
    """A second signal changes nothing, and nothing is said of it."""
    with start() as server, _many(server, 3) as clients:
        for client in clients:
            _ask_and_do_not_read(client)
        _until_nothing_is_done(server)
        server.process.send_signal(number)
        server.process.send_signal(number)
        assert server.process.wait(60) == 0
    assert not server.said


def test_an_upload_that_never_ends_does_not_hold_up_the_end(start: Start) -> None:
    with start("--timeout", "600") as server, _many(server, 1) as (client,):
        client.sendall(
            b"POST /api/v1/identify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            b"Content-Type: multipart/form-data; boundary=frontier\r\n\r\n"
        )
        _until(lambda: server.inside() == 1)
        assert server.stop() == 0
    assert not server.said


def test_a_long_answer_comes_whole_to_who_reads_slowly(start: Start) -> None:
    with start() as server, _many(server, 1) as (client,):
        whole = server.get(
            "/openapi.json", headers={"Accept-Encoding": "identity", "Host": "localhost"}
        ).content
        client.sendall(_ASKS * 40 + _ASKS.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        told = b"".join(iter(lambda: client.recv(5000), b""))
        assert told.count(whole) == 41


@contextmanager
def _many(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Open many connections that take in little."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count + 500), hard), hard))
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(count)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(60)
            client.connect(("127.0.0.1", server.port))
        yield clients


def _until_nothing_is_done(server: Server) -> None:
    """Wait until the server answers no more requests than those that ask it so."""
    before, now = -1, _answered(server)
    while before != now:
        time.sleep(0.5)
        before, now = now, _answered(server)


def _answered(server: Server) -> int:
    pattern = r'^verger_http_requests_total\{route="/openapi.json",status="200"\} (\S+)$'
    return int(float(re.findall(pattern, server.get("/metrics").text, re.MULTILINE)[0]))


def _ask_and_do_not_read(client: socket.socket) -> None:
    """Ask until the server takes no more, as it waits for its answers to be read."""
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError, ConnectionError):
        for _ in range(20):
            client.send(_ASKS * 50)
    client.setblocking(True)


def _is_closed(client: socket.socket) -> bool:
    """Say whether the server has closed a connection, without reading from it."""
    client.setblocking(False)
    try:
        client.send(b"\r\n")
        return client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
