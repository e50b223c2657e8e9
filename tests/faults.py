"""A proxy before an HTTP server, such as the S3 server of the tests, that is slow and that fails.

It runs in a process of its own, and passes the `Host` header on as it came, so that signatures that
were made for the proxy's address hold at the server. What befalls a request depends on the seed,
the request and how often it came before, not on the order in which requests come.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

_PIECE = 1 << 16


@dataclass(frozen=True)
class Faults:
    """What to do to requests. Shares are from 0 to 1, and add up to 1 at most."""

    latency: float = 0.0  # seconds, before each request is passed on
    error: float = 0.0  # share answered with the error below
    reset: float = 0.0  # share whose connection is reset before any answer
    cut: float = 0.0  # share whose body ends half-way, though Content-Length says more
    slow: float = 0.0  # share whose body comes at `rate`
    hang: float = 0.0  # share that is never answered
    rate: int = 1000  # bytes a second
    status: int = 503
    code: str = "SlowDown"
    only: str = ""  # a regular expression searched in "GET /bucket/key"; others pass
    most: int = 1_000_000  # faults that the same request may meet before it passes
    hold: int = 1_000_000  # how many requests pass before all that come wait to be let go
    late: bool = False  # what is held is what the server answers, not what it is asked
    uncounted: str = "$^"  # a regular expression; what it finds is held as well, but not counted
    seed: int = 0

    def choose(self, request: str, attempt: int) -> str:
        """Return what befalls a request at its attempt (0, 1, …): a name from above, or ''."""
        if attempt >= self.most or not re.search(self.only, request):
            return ""
        # A string seeds the same numbers in every process.
        chance = random.Random(f"{self.seed} {attempt} {request}").random()  # noqa: S311
        for name in ("error", "reset", "cut", "slow", "hang"):
            chance -= getattr(self, name)
            if chance < 0:
                return name
        return ""


class Proxy:
    """The proxy as a test sees it."""

    def __init__(self, endpoint: str, process: subprocess.Popen[str]) -> None:
        self.endpoint = endpoint
        self._process = process
        self._one_at_a_time = threading.Lock()

    def set(self, faults: Faults) -> None:
        """Change the faults, and forget what was counted."""
        self._ask(dataclasses.asdict(faults))

    def counts(self) -> Counter[str]:
        """Return how many came: `requests`, those of each method, each fault, and `at once`.

        `bytes` is what bodies of answers held.
        """
        return Counter(self._ask(None))

    def let_go(self) -> None:
        """Let pass what is held, and all that comes after it."""
        self._ask("go")

    def requests(self) -> Counter[str]:
        """Return how often each request came, such as "GET /bucket/key?x=1"."""
        return Counter(self._ask("requests"))

    def _ask(self, question: dict[str, Any] | str | None) -> dict[str, int]:
        stdin, stdout = _pipes(self._process)
        with self._one_at_a_time:
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
            answer: dict[str, int] = json.loads(stdout.readline())
        return answer


@contextmanager
def faulty(endpoint: str, faults: Faults | None = None) -> Iterator[Proxy]:
    """Start a proxy before `endpoint`, such as http://127.0.0.1:8333; it ends with this process."""
    address = urlsplit(endpoint)
    process = subprocess.Popen(
        [sys.executable, "-S", __file__, str(address.hostname), str(address.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stdin, stdout = _pipes(process)
    try:
        proxy = Proxy(f"http://127.0.0.1:{int(stdout.readline())}", process)
        proxy.set(faults or Faults())
        yield proxy
    finally:
        stdin.close()  # which ends it
        process.wait(30)
        stdout.close()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


class _Server:
    """The proxy in its own process."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.faults = Faults()
        self.counts: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.under_way = 0
        self.came = 0
        self.gate = asyncio.Event()

    async def _wait(self, number: int) -> None:
        """Hold a request, by its number, until all are let go."""
        if number >= self.faults.hold and not self.gate.is_set():
            self.counts["held"] += 1
            await self.gate.wait()

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=_PIECE)
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - it is the answer
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(0, self._question, ended.set)
        await ended.wait()
        os._exit(0)  # connections that are held are nobody's any more

    def _question(self, end: Callable[[], None]) -> None:
        line = sys.stdin.readline()
        if not line:
            end()
            return
        question = json.loads(line)
        if isinstance(question, dict):
            self.faults = Faults(**question)
            self.counts, self.attempts = Counter(), Counter()
            self.came = 0
            self.gate = asyncio.Event()
        elif question == "go":
            self.gate.set()
        answer = self.attempts if question == "requests" else self.counts
        print(json.dumps(answer), flush=True)  # noqa: T201 - it is the answer

    async def _connection(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            server = await asyncio.open_connection(self.host, self.port, limit=_PIECE)
            while await self._request(client, to_client, *server):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            to_client.close()
            if server:
                server[1].close()

    async def _request(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> bool:
        """Pass one request on; return whether the connection can take another."""
        head = await client.readuntil(b"\r\n\r\n")
        request = head[: head.index(b" HTTP/")].decode("latin-1")
        method = request.partition(" ")[0]
        fault = self.faults.choose(request, self.attempts[request])
        self.attempts[request] += 1
        self.under_way += 1
        number = self.came
        self.came += not re.search(self.faults.uncounted, request)
        self.counts.update(["requests", method, *([fault] if fault else [])])
        self.counts["at once"] = max(self.counts["at once"], self.under_way)
        try:
            if self.faults.latency:
                await asyncio.sleep(self.faults.latency)
            fields = _fields(head)
            if not self.faults.late:
                await self._wait(number)
            if fault in ("error", "reset", "hang"):
                return await self._refuse(fault, client, to_client, fields)
            to_server.write(head)
            if fields.get(b"expect"):
                to_client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            async for piece in _body(client, fields):
                to_server.write(piece)
                await to_server.drain()
            return await self._answer(fault, method, server, to_client, number)
        finally:
            self.under_way -= 1

    async def _refuse(
        self,
        fault: str,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        fields: dict[bytes, bytes],
    ) -> bool:
        if fault == "hang":
            while await client.read(_PIECE):  # until the client goes
                pass
            return False
        if fault == "reset":
            own: socket.socket = to_client.get_extra_info("socket")
            # To close without lingering is to reset.
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            to_client.transport.abort()
            return False
        code = self.faults.code
        body = f"<Error><Code>{code}</Code><Message>Made by the tests.</Message></Error>".encode()
        if fields.get(b"expect"):
            to_client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for _ in _body(client, fields):
            pass
        to_client.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s"
            % (self.faults.status, code.encode(), len(body), body)
        )
        await to_client.drain()
        return True

    async def _answer(
        self,
        fault: str,
        method: str,
        server: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        number: int,
    ) -> bool:
        while True:
            head = await server.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
            if status >= 200:
                break  # what is below only says to go on
        fields = _fields(head)
        if self.faults.late:
            await self._wait(number)
        to_client.write(head)
        if method == "HEAD" or status in (204, 304):
            await to_client.drain()
            return True
        left = int(fields.get(b"content-length", b"0")) // 2
        async for piece in _body(server, fields, answer=True):
            self.counts["bytes"] += len(piece)
            if fault == "cut":
                to_client.write(piece[:left])
                left -= len(piece)
                if left <= 0:
                    await to_client.drain()
                    return False
            elif fault == "slow":
                step = max(self.faults.rate // 10, 1)
                for start in range(0, len(piece), step):
                    to_client.write(piece[start : start + step])
                    await to_client.drain()
                    await asyncio.sleep(0.1)
            else:
                to_client.write(piece)
                await to_client.drain()
        return fields.get(b"connection") != b"close" and _framed(fields)


def _fields(head: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:-2])
    return {name.lower(): value.strip() for name, _, value in lines}


def _framed(fields: dict[bytes, bytes]) -> bool:
    """Say whether a message says itself where it ends."""
    return b"content-length" in fields or b"transfer-encoding" in fields


async def _body(
    source: asyncio.StreamReader, fields: dict[bytes, bytes], *, answer: bool = False
) -> AsyncIterator[bytes]:
    """Yield the pieces of a message's body, with the marks between its chunks if it has any."""
    if fields.get(b"transfer-encoding") == b"chunked":
        while True:
            line = await source.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            if size == 0:
                yield line + await source.readuntil(b"\r\n")  # S3 sends no trailing fields
                return
            yield line + await source.readexactly(size + 2)
    elif answer and not _framed(fields):
        while piece := await source.read(_PIECE):
            yield piece
    else:
        left = int(fields.get(b"content-length", b"0"))
        while left:
            piece = await source.read(min(left, _PIECE))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_Server(sys.argv[1], int(sys.argv[2])).serve())
