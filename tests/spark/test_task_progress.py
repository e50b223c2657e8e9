"""Workers tell the driver of their advance, by real datagrams on this machine."""

from __future__ import annotations

import dataclasses
import errno
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from verger.spark.task_progress import Address, Teller, listening

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"


class Heard:
    """What the driver hears, kept in order."""

    def __init__(self) -> None:
        self.counts: list[tuple[int, int]] = []
        self._changed = threading.Condition()

    def __call__(self, done: int, rejected: int) -> None:
        with self._changed:
            self.counts.append((done, rejected))
            self._changed.notify_all()

    def until(self, reached: Callable[[list[tuple[int, int]]], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: bool(reached(self.counts)), timeout=10), (
                self.counts
            )


def tell(address: Address, task: int, embedded: int, rejected: int) -> None:
    teller = Teller(address, task)
    teller(embedded, rejected)
    teller.close()


def test_counts_are_summed_over_tasks_and_the_latest_of_each_counts() -> None:
    heard = Heard()
    with listening(HOST, heard) as address:
        tell(address, 0, 3, 1)
        heard.until(lambda counts: (4, 1) in counts)
        tell(address, 7, 10, 0)
        heard.until(lambda counts: (14, 1) in counts)
        tell(address, 0, 5, 2)
        heard.until(lambda counts: counts[-1] == (17, 2))
        tell(address, 0, 0, 0)  # a task that failed and is done again
        heard.until(lambda counts: counts[-1] == (10, 0))


def test_a_stranger_s_datagrams_are_ignored() -> None:
    heard = Heard()
    with listening(HOST, heard) as address:
        tell(dataclasses.replace(address, token=b"?" * 16), 1, 1000, 1000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for message in (b"", b"x", address.token, bytes(40), address.token + bytes(5000)):
                stranger.sendto(message, (HOST, address.port))
        tell(address, 1, 2, 0)
        heard.until(bool)
    assert set(heard.counts) == {(2, 0)}


def test_tokens_differ_from_one_run_to_the_next() -> None:
    with listening(HOST, Heard()) as one, listening(HOST, Heard()) as two:
        assert one.token != two.token
        assert one.port != two.port
        assert len(one.token) == 16


def test_one_tells_now_and_then_and_always_at_the_end() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))
        server.settimeout(0.3)
        teller = Teller(Address(HOST, server.getsockname()[1], b"t" * 16), 0)
        for n in range(1000):
            teller(n, 0)
        teller.close()
        told = []
        while True:
            try:
                told.append(server.recv(100))
            except TimeoutError:
                break
    assert 2 <= len(told) < 20
    assert int.from_bytes(told[-1][24:32], "big") == 999


def test_nobody_listening_costs_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))
        port = server.getsockname()[1]
    # The second may not be sent to: an error where the first is merely not heard.
    for host in (HOST, "255.255.255.255"):
        tell(Address(host, port, b"t" * 16), 0, 1, 0)


def test_listening_ends_with_its_thread() -> None:
    before = threading.active_count()
    start = time.monotonic()
    with listening(HOST, Heard()):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert time.monotonic() - start < 5


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "bind"),
    [
        ("localhost", None),
        ("127.0.0.1", "0.0.0.0"),  # noqa: S104 - in a container: bound to all
        ("127.0.0.1", "203.0.113.7"),  # an address that this machine has not
        ("127.0.0.1", "no.such.host.invalid"),
        ("127.0.0.1", "::"),
        ("::1", None),
        ("[::1]", None),  # as Spark writes it
        ("::1", "203.0.113.7"),
    ],
)
def test_an_address_that_is_advertised_is_not_always_one_to_bind(
    host: str, bind: str | None
) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    heard = Heard()
    with listening(host, heard, bind) as address:
        assert address.host == host
        tell(address, 0, 3, 1)
        heard.until(lambda counts: (4, 1) in counts)


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid", "a" * 70, "é..x", ""])
def test_where_there_is_no_way_nothing_is_heard_and_nothing_fails(host: str) -> None:
    with listening(host, Heard()) as address:
        tell(address, 0, 3, 1)


def test_without_any_socket_a_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where all descriptors are in use, or sockets are forbidden."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", refused)
        with listening(HOST, Heard()) as address:
            tell(address, 0, 3, 1)
