"""Starting and stopping `verger serve`."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from .conftest import Photo, Server
from .test_limits import _HEAD, _TAIL, _answer, _connected, _request, _until

Start = Callable[..., AbstractContextManager[Server]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_answered_before_the_end(
    start: Start, photo: Photo, number: int
) -> None:
    jpeg = photo()
    with start() as server, _connected(server) as connection:
        length = f"Content-Length: {len(_HEAD + jpeg + _TAIL)}".encode()
        connection.sendall(_request(server, length) + _HEAD)
        _until(lambda: server.inside() == 1)
        server.process.send_signal(number)
        connection.sendall(jpeg + _TAIL)
        assert _answer(connection)[0] == 200
        assert server.process.wait(60) == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read() == "Stopped.\n"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--port", "70000"], 2, "--port 70000"),
        (["--port", "-1"], 2, "--port -1"),
        (["--host", "no.such.host.invalid"], 2, "Cannot listen on no.such.host.invalid"),
        (["--max-photos", "21"], 2, "--max-photos"),
        (["--timeout", "0"], 2, "--timeout"),
        (["--queue", "-1"], 2, "--queue"),
    ],
)
def test_options_that_cannot_be_right(
    gallery: Path, options: list[str], code: int, says: str
) -> None:
    _refused([str(gallery), *options], code, says)


def test_a_port_that_is_taken(gallery: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        _refused([str(gallery), "--port", port], 2, f"port {port}")


def test_a_folder_without_a_gallery(tmp_path: Path) -> None:
    _refused([str(tmp_path)], 4, str(tmp_path))


def _refused(arguments: list[str], code: int, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "verger", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
