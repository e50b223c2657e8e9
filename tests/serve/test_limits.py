"""What the server refuses: how much, how many, how slow, from whom; and that it says so well."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import psutil
import pytest

from makers.bombs import larger_outside

from .conftest import Photo, Server
from .wellformed import any_answer, problem

Start = Callable[..., AbstractContextManager[Server]]
_BOUNDARY = b"frontier"
_HEAD = (
    b'--frontier\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n"
)
_TAIL = b"\r\n--frontier--\r\n"
_MIB = 2**20


def post(server: Server, body: bytes, content_type: str = "") -> httpx.Response:
    headers = {"Content-Type": content_type or "multipart/form-data; boundary=frontier"}
    url = f"{server.url}/api/v1/identify"
    return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)


def test_addresses_and_methods_that_there_are_not(server: Server) -> None:
    problem(server.get("/nothing"), 404, "not-found")
    problem(server.get("/../../etc/passwd"), 404, "not-found")
    problem(server.get("/%2e%2e/%2e%2e/etc/passwd"), 404, "not-found")
    problem(server.get("/page/../index.html"), 404, "not-found")
    refused = server.get("/api/v1/identify")
    problem(refused, 405, "method-not-allowed")
    assert refused.headers["allow"] == "POST"
    problem(httpx.delete(f"{server.url}/api/labels", trust_env=False), 405, "method-not-allowed")


def test_what_is_no_multipart(server: Server, photo: Photo) -> None:
    problem(post(server, photo(), "image/jpeg"), 415, "not-multipart")
    problem(post(server, b"{}", "application/json"), 415, "not-multipart")
    problem(post(server, b"", "multipart/mixed; boundary=frontier"), 415, "not-multipart")
    problem(post(server, b"", "multipart/form-data"), 400, "bad-request")
    problem(post(server, b"", f"multipart/form-data; boundary={'x' * 71}"), 400, "bad-request")


def test_multipart_that_is_malformed(server: Server, photo: Photo) -> None:
    whole = _HEAD + photo() + _TAIL
    problem(post(server, b"nothing like it"), 400, "bad-request")
    problem(post(server, whole[:-20]), 400, "bad-request")
    problem(post(server, b""), 400, "bad-request")
    problem(
        post(server, b"--frontier\r\nX: " + b"y" * 9000 + b"\r\n\r\n" + _TAIL), 400, "bad-request"
    )
    problem(
        post(server, b"--frontier\r\n" + b"A: b\r\n" * 50 + b"\r\n" + _TAIL), 400, "bad-request"
    )
    problem(post(server, whole.replace(b'"photos"', b'"other"')), 422, "invalid")
    problem(post(server, b"--frontier\r\n\r\nx" + _TAIL), 422, "invalid")
    problem(post(server, b"--frontier--\r\n"), 422, "invalid")


def test_too_many_photos(server: Server, photo: Photo) -> None:
    told = problem(server.identify(*[photo()] * 6), 422, "too-many-photos")
    assert "5" in told["detail"]


def test_what_is_no_photo(server: Server, photo: Photo) -> None:
    good = photo()
    told = problem(server.identify(good, b"%PDF-1.7 not a photo"), 415, "not-a-photo")
    assert (told["photo"], told["reason"]) == (2, "not_an_image")
    told = problem(server.identify(good[: len(good) // 2]), 422, "damaged-photo")
    assert (told["photo"], told["reason"]) == (1, "truncated")
    told = problem(server.identify(b""), 422, "damaged-photo")
    assert told["reason"] == "empty"
    problem(server.identify(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 415, "not-a-photo")
    problem(server.identify(b"<script>alert(1)</script>", name="a.jpg"), 415, "not-a-photo")


def test_too_many_pixels_are_refused_by_the_header_alone(server: Server) -> None:
    told = problem(server.identify(larger_outside(60_000, 60_000)), 413, "too-many-pixels")
    assert told["reason"] == "too_large"


def test_a_body_too_large_is_refused_by_its_length(start: Start, photo: Photo) -> None:
    with start("--max-body", "1") as small:
        problem(small.identify(b"x" * (2 * _MIB)), 413, "too-large")
        assert small.identify(photo()).status_code == 200


def test_a_body_without_a_length_is_counted_as_it_comes(start: Start) -> None:
    """The answer comes while the body, which would never end, is still being sent."""
    with start("--max-body", "1") as small, _connected(small) as connection:
        connection.sendall(_request(small, b"Transfer-Encoding: chunked"))
        connection.sendall(_chunk(_HEAD))
        sent = 0
        try:
            while sent < 64 * _MIB:
                connection.sendall(_chunk(b"x" * 65536))
                sent += 65536
        except OSError:  # the server has closed its side
            pass
        assert sent < 64 * _MIB, "the server read on without end"
        assert small.get("/healthz").status_code == 200


def test_a_go_ahead_is_not_given_to_a_body_too_large(start: Start) -> None:
    with start("--max-body", "1") as small, _connected(small) as connection:
        length = f"Content-Length: {9 * _MIB}\r\nExpect: 100-continue".encode()
        connection.sendall(_request(small, length))
        status, told = _answer(connection)
        assert (status, told["status"]) == (413, 413)


def test_an_upload_that_is_too_slow(start: Start) -> None:
    with start("--timeout", "1") as strict, _connected(strict) as connection:
        connection.sendall(_request(strict, b"Content-Length: 1000") + _HEAD)
        status, told = _answer(connection)
        assert (status, told["type"]) == (408, "urn:verger:problem:too-slow")
        _until(lambda: strict.inside() == 0)


def test_who_asks_nothing_in_time_is_shown_out(start: Start) -> None:
    """Silent from the start, amid a head, drop by drop after an answer; the log tells of none."""
    with start("--timeout", "1") as strict:
        with _connected(strict) as silent, _connected(strict) as halfway:
            halfway.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
            assert (silent.recv(1), halfway.recv(1)) == (b"", b"")
        with _connected(strict) as dripping:
            dripping.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert _answer(dripping)[0] == 200
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                _drip(dripping)
        with _connected(strict) as stranger:
            stranger.sendall(b"\x16\x03\x01\x02 no HTTP\r\n\r\n")
            assert stranger.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert strict.get("/healthz").status_code == 200
        assert strict.stop() == 0
    assert not strict.said


def test_an_upload_that_is_broken_off_leaves_its_place(server: Server, photo: Photo) -> None:
    with _connected(server) as connection:
        connection.sendall(_request(server, b"Content-Length: 1000") + _HEAD)
        _until(lambda: server.inside() == 1)
    _until(lambda: server.inside() == 0)
    assert server.identify(photo()).status_code == 200


def test_when_it_is_full_it_says_when_to_come_back(start: Start, photo: Photo) -> None:
    """Two uploads that wait for their end fill one worker and a queue of one."""
    jpeg = photo()
    length = f"Content-Length: {len(_HEAD + jpeg + _TAIL)}".encode()
    with (
        start("--workers", "1", "--queue", "1") as busy,
        _connected(busy) as one,
        _connected(busy) as two,
    ):
        for connection in (one, two):
            connection.sendall(_request(busy, length) + _HEAD)
        _until(lambda: busy.inside() == 2)
        for _ in range(3):
            problem(busy.identify(jpeg), 503, "overloaded")
        assert busy.get("/api/labels").status_code == 200, "the rest of the API goes on"
        for connection in (one, two):
            connection.sendall(jpeg + _TAIL)
            assert _answer(connection)[0] == 200
        assert busy.identify(jpeg).status_code == 200


def test_one_client_cannot_take_every_place(start: Start, photo: Photo) -> None:
    with start("--per-client", "1") as fair, _connected(fair) as connection:
        connection.sendall(_request(fair, b"Content-Length: 1000") + _HEAD)
        _until(lambda: fair.inside() == 1)
        problem(fair.identify(photo()), 429, "too-many-requests")


def test_under_a_storm_every_answer_is_well_formed(start: Start, photo: Photo) -> None:
    jpeg = photo(size=400)
    answers: list[httpx.Response] = []
    with start("--workers", "1", "--queue", "2", "--per-client", "99") as busy:
        clients = [
            threading.Thread(target=lambda: answers.append(busy.identify(*[jpeg] * 5)))
            for _ in range(24)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
        assert len(answers) == 24
        for answer in answers:
            any_answer(answer)
        assert 200 in {answer.status_code for answer in answers}
        _until(lambda: busy.inside() == 0)
        assert busy.identify(jpeg).status_code == 200


def test_on_a_loopback_address_strangers_names_are_refused(start: Start) -> None:
    """Else any web page could read the gallery through a name of its own (DNS rebinding)."""
    with start("--allow-host", "Fruit.Example.org") as named:
        for host, status in (
            ("127.0.0.1", 200), ("localhost:80", 200), ("[::1]:8000", 200),
            ("fruit.example.org", 200), ("FRUIT.example.org:443", 200),
            ("evil.example.org", 421), ("", 421), ("127.0.0.1.evil.example.org", 421),
        ):  # fmt: skip
            answer = named.get("/healthz", headers={"Host": host})
            assert answer.status_code == status, host
        problem(named.get("/", headers={"Host": "evil.example.org"}), 421, "wrong-host")


@contextmanager
def _connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        yield connection


def _request(server: Server, length: bytes) -> bytes:
    return (
        b"POST /api/v1/identify HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: multipart/form-data; boundary=frontier\r\n" + length + b"\r\n\r\n"
    )


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _drip(connection: socket.socket) -> None:
    """Send one byte after the other, for half a minute."""
    for _ in range(300):
        connection.sendall(b"G")
        time.sleep(0.1)


def _answer(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Read one answer; its status and its JSON."""
    import http.client

    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


def _until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so; it fails only if it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def is_gone(process: psutil.Process) -> bool:
    try:
        # Its number may be another's by now.
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
