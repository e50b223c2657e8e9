"""How workers tell the driver of their advance: one small datagram every half second.

Spark itself counts finished tasks only, and a task may take minutes. A datagram that is lost, or
that cannot be sent at all, costs a step of the progress bar and nothing else: what a run reports in
the end is counted from what was written.
"""

from __future__ import annotations

import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

SECONDS_BETWEEN = 0.5
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
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

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
        self._socket.close()

    def _send(self) -> None:
        message = _MESSAGE.pack(self._address.token, self._task, *self._counts)
        with suppress(OSError):
            self._socket.sendto(message, (self._address.host, self._address.port))


@contextmanager
def listening(host: str, hear: Callable[[int, int], None]) -> Iterator[Address]:
    """Open the driver's side; `hear` gets (done, rejected) over all tasks, on another thread."""
    token = secrets.token_bytes(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((host, 0))
        server.settimeout(0.2)
        ended = threading.Event()
        thread = threading.Thread(target=_listen, args=(server, token, hear, ended), daemon=True)
        thread.start()
        try:
            yield Address(host, server.getsockname()[1], token)
        finally:
            ended.set()
            thread.join()


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
