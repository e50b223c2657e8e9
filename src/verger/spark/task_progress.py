"""How workers tell the driver of their advance: one small datagram every half second.

Spark itself counts finished tasks only, and a task may take minutes. A datagram that is lost, or
that cannot be sent or heard at all, costs a step of the progress bar and nothing else: what a run
reports in the end is counted from what was written.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

SECONDS_BETWEEN = 0.5
_NOBODY = 9  # the port of what is thrown away
_MESSAGE = struct.Struct("!16sqqq")  # token, task, embedded, rejected


@dataclass(frozen=True, slots=True)
class Address:
    """Where to tell: host, port, and a token that tells ours from a stranger's datagrams."""

    host: str
    port: int
    token: bytes


class Teller:
    """A worker's side: tells how far one task is."""

    def __init__(self, address: Address, task: int) -> None:
        self._address = address
        self._task = task
        self._last = 0.0
        self._counts = (0, 0)
        self._socket = _connected(address)

    def __call__(self, embedded: int, rejected: int) -> None:
        """Tell the counts of this task so far, unless they were told just now."""
        self._counts = (embedded, rejected)
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN:
            self._last = now
            self._send()

    def close(self) -> None:
        """Tell the last counts, and close the socket."""
        self._send()
        if self._socket is not None:
            self._socket.close()

    def _send(self) -> None:
        if self._socket is None:
            return
        message = _MESSAGE.pack(self._address.token, self._task, *self._counts)
        with suppress(OSError):
            self._socket.send(message)


def _connected(address: Address) -> socket.socket | None:
    """Return a socket towards the driver, of either IP; None where there is no way to it.

    A name is looked up here, once: a look-up may take seconds.
    """
    for family, where in _addresses(address.host, address.port):
        with ExitStack() as stack, suppress(OSError):
            tells = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            tells.connect(where)
            stack.pop_all()
            return tells
    return None


def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Return the family and the address of each meaning of a host; none where it has none."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return []
    return [(family, where) for family, _, _, _, where in found]


@contextmanager
def listening(
    host: str, hear: Callable[[int, int], None], bind: str | None = None
) -> Iterator[Address]:
    """Open the driver's side; `hear` gets (done, rejected) over all tasks, on another thread.

    `host` is where workers reach this machine, `bind` an address of its own. In a container and
    behind NAT the two differ, and there may be no such address as `host` here: then the socket
    listens on all that there are. Where it cannot even do that, nothing is heard.
    """
    token = secrets.token_bytes(16)
    server = _bound(bind or host)
    if server is None:
        yield Address(host, _NOBODY, token)
        return
    with server:
        server.settimeout(0.2)
        ended = threading.Event()
        thread = threading.Thread(target=_listen, args=(server, token, hear, ended), daemon=True)
        thread.start()
        try:
            yield Address(host, server.getsockname()[1], token)
        finally:
            ended.set()
            thread.join()


def _bound(host: str) -> socket.socket | None:
    """Return a socket on an address of this machine, or on all of them, or None.

    A name is not looked up: what it means here (often 127.0.1.1) is not what it means to workers.
    """
    named = _addresses(host, 0) if host == "localhost" or _is_number(host) else []
    for family, where in [*named, (socket.AF_INET6, ("::", 0)), (socket.AF_INET, ("", 0))]:
        with ExitStack() as stack, suppress(OSError):
            server = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            if where[0] == "::":
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind(where)
            stack.pop_all()
            return server
    return None


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _listen(
    server: socket.socket, token: bytes, hear: Callable[[int, int], None], ended: threading.Event
) -> None:
    told: dict[int, tuple[int, int]] = {}
    while not ended.is_set():
        try:
            message = server.recv(_MESSAGE.size + 1)
        except (TimeoutError, OSError):
            continue
        if len(message) != _MESSAGE.size:
            continue
        said, task, embedded, rejected = _MESSAGE.unpack(message)
        if secrets.compare_digest(said, token):
            told[task] = (embedded, rejected)
            embedded, rejected = (sum(counts) for counts in zip(*told.values(), strict=True))
            hear(embedded + rejected, rejected)
