"""`python -m benchmarks.hostile STORE PHOTOS`: the server under attack.

    --requests 10000   of which 1 in 20 is hostile
    --count 200        photos sent one at a time before, to the idle server: the bare cost

Four honest clients send photos, one after another, each from an address of its own. Beside them
come others, from other addresses: malformed bodies, damaged photos, scan bombs and pictures as
large as may be, clients that ask and do not read, clients that say nothing, uploads that drip;
those stay. Then SIGTERM. All on one machine: what counts is the ratio within one run.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import io
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks.contenders import HERE
from benchmarks.table import machine

sys.path.insert(0, str(HERE.parent / "tests"))  # the bombs are those of the tests

from makers.bombs import huge, scan_bomb

CONTENT_TYPE = "multipart/form-data; boundary=frontier"
Maker = Callable[[random.Random], bytes]

_CLIENTS = 4
_EVERY = 20  # of so many requests one is hostile
_AT_ONCE = 20  # silent clients that come together
_ASKS = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
_UPLOAD = (
    b"POST /api/v1/identify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
    b"Content-Type: multipart/form-data; boundary=frontier\r\n\r\n"
)


def body(photos: Sequence[bytes], field_name: bytes = b"photos") -> bytes:
    """Return the multipart body of an upload."""
    parts = b"".join(
        b'--frontier\r\nContent-Disposition: form-data; name="%s"; filename="a.jpg"\r\n\r\n%s\r\n'
        % (field_name, photo)
        for photo in photos
    )
    return parts + b"--frontier--\r\n"


def hostile_bodies(photos: Sequence[bytes]) -> list[Maker]:
    """Return makers of bodies that nobody should send, each by a chance that is given."""

    def truncated(chance: random.Random) -> bytes:
        photo = chance.choice(photos)
        return body([photo[: chance.randrange(1, len(photo))]])

    def damaged(chance: random.Random) -> bytes:
        photo = bytearray(chance.choice(photos))
        for _ in range(50):
            photo[chance.randrange(len(photo))] = chance.randrange(256)
        return body([bytes(photo)])

    def unfinished(chance: random.Random) -> bytes:
        return body([chance.choice(photos)])[:-15]

    return [
        truncated,
        damaged,
        unfinished,
        lambda chance: chance.randbytes(chance.randrange(100_000)),
        lambda chance: body([chance.randbytes(1000)]),
        lambda chance: body([chance.choice(photos)] * 6),
        lambda chance: body([chance.choice(photos)], b"other"),
        lambda _: body([b"GIF89a" + b"\xff" * 12]),
        lambda chance: body([chance.choice(photos), b""]),
    ]


@dataclass
class Attack:
    """What came of it."""

    idle: list[float] = field(default_factory=list)  # seconds of each photo, alone
    four: list[float] = field(default_factory=list)  # seconds of each, four at once
    honest: list[float] = field(default_factory=list)  # seconds of each, under attack
    refused: Counter[int] = field(default_factory=Counter)  # statuses of honest ones, but 200
    hostile: Counter[str] = field(default_factory=Counter)  # what came, and how it was answered
    memory: list[float] = field(default_factory=list)  # MiB of the server itself, each tenth
    most: float = 0.0  # MiB (PSS) of all its processes, at any of these moments
    seconds: float = 0.0
    seconds_to_end: float = 0.0
    code: int | None = None
    said: str = ""


def main() -> None:
    """Attack a server, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    files = sorted(options.photos.rglob("*.jpg"))
    photos = [file.read_bytes() for file in files[:: max(1, len(files) // 100)]]
    _tell(attack(options.store, photos, options.requests, options.count))


def attack(store: Path, photos: list[bytes], requests: int, count: int) -> Attack:
    """Serve a STORE, and send it many requests, one in 20 hostile."""
    line = [sys.executable, "-m", "verger", "serve", str(store), "--port", "0"]
    found = Attack()
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
        reader.start()
        ready = re.search(r"http://\S+?:(\d+)/", process.stdout.readline())
        assert ready, "the server did not start"
        port = int(ready[1])
        client = _Client(port, "127.0.0.1")
        for number in range(-10, count):  # the first ten warm it up
            took, status = client.identify(photos[number % len(photos)])
            assert status == 200
            if number >= 0:
                found.idle.append(took)
        _together(found, port, photos, 2 * count)
        with contextlib.ExitStack() as kept:
            _besiege(found, port, photos, requests, psutil.Process(process.pid), kept)
            began = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            found.code = process.wait(120)
            found.seconds_to_end = time.perf_counter() - began
        reader.join(5)
        found.said = "".join(said)
    return found


def _together(found: Attack, port: int, photos: list[bytes], count: int) -> None:
    """Four honest clients, and nobody else."""

    def run(number: int) -> None:
        client = _Client(port, f"127.0.0.{2 + number}")
        for at in range(number, count, _CLIENTS):
            took, status = client.identify(photos[at % len(photos)])
            assert status == 200
            found.four.append(took)

    _run_all(run)


def _run_all(run: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=run, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _besiege(
    found: Attack,
    port: int,
    photos: list[bytes],
    requests: int,
    process: psutil.Process,
    kept: contextlib.ExitStack,
) -> None:
    enemies = _Enemies(port, photos, found.hostile, kept)
    lock = threading.Lock()
    each = requests * (_EVERY - 1) // _EVERY // _CLIENTS
    tenth = max(1, each * _CLIENTS // 10)

    def run(number: int) -> None:
        client = _Client(port, f"127.0.0.{2 + number}")
        for at in range(each):
            took, status = client.identify(photos[(number * each + at) % len(photos)])
            with lock:
                found.honest.append(took)
                if status != 200:
                    found.refused[status] += 1
                done = len(found.honest)
            if done % (_EVERY - 1) == 0:
                enemies.send_one()
            if done % tenth == 0:
                found.memory.append(process.memory_info().rss / 2**20)
                found.most = max(found.most, _memory_of_all(process))

    began = time.perf_counter()
    _run_all(run)
    found.seconds = time.perf_counter() - began


def _memory_of_all(process: psutil.Process) -> float:
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += each.memory_full_info().pss / 2**20
    return total


class _Client:
    """A client with a connection of its own, from an address of its own."""

    def __init__(self, port: int, address: str) -> None:
        self._new = functools.partial(
            http.client.HTTPConnection, "127.0.0.1", port, 120, source_address=(address, 0)
        )
        self._connection = self._new()

    def identify(self, photo: bytes) -> tuple[float, int]:
        """Send a photo; return seconds and status, 0 where no answer came."""
        began = time.perf_counter()
        status, _ = self.post(body([photo]))
        return time.perf_counter() - began, status

    def post(self, content: bytes) -> tuple[int, bytes]:
        for _ in range(2):  # a connection may have been ended after an earlier answer
            try:
                self._connection.request(
                    "POST", "/api/v1/identify", content, {"Content-Type": CONTENT_TYPE}
                )
                response = self._connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                self._connection = self._new()
        return 0, b""


class _Enemies:
    """Who should not come; each from one of 200 addresses."""

    def __init__(
        self, port: int, photos: list[bytes], counts: Counter[str], kept: contextlib.ExitStack
    ) -> None:
        self._port, self._counts, self._kept = port, counts, kept
        self._chance = random.Random(7)  # noqa: S311
        self._bodies = hostile_bodies(photos)
        self._bombs = {
            "scan bomb": body([scan_bomb()]),
            "most scans that are decoded": body([scan_bomb(7000, 35)]),
            "most pixels that are decoded": body([_largest()]),
            "pixels that are not decoded": body([huge()]),
        }
        self._lock = threading.Lock()

    def send_one(self) -> None:
        """Send one of them, and do not wait for what comes of it."""
        with self._lock:
            kind = self._chance.choices(("body", "bomb", "unread", "silent", "drip"),
                                        (10, 4, 3, 2, 1))[0]  # fmt: skip
            address = f"127.0.1.{self._chance.randrange(1, 201)}"
            seed = self._chance.random()
        act = {"body": self._body, "bomb": self._bomb, "unread": self._unread,
               "silent": self._silent, "drip": self._drip}[kind]  # fmt: skip
        threading.Thread(target=act, args=(address, random.Random(seed)), daemon=True).start()  # noqa: S311

    def _body(self, address: str, chance: random.Random) -> None:
        self._post("malformed or damaged", address, chance.choice(self._bodies)(chance))

    def _bomb(self, address: str, chance: random.Random) -> None:
        name = chance.choice(list(self._bombs))
        self._post(name, address, self._bombs[name])

    def _post(self, name: str, address: str, content: bytes) -> None:
        status, _ = _Client(self._port, address).post(content)
        self._count(f"{name}: {status or 'closed'}")

    def _unread(self, address: str, _: random.Random) -> None:
        connection = self._connected(address)
        with contextlib.suppress(OSError):
            connection.settimeout(5)
            for _number in range(20):
                connection.send(_ASKS * 50)
        self._count("who does not read")

    def _silent(self, address: str, _: random.Random) -> None:
        for _number in range(_AT_ONCE):
            self._connected(address)
        self._count(f"{_AT_ONCE} who say nothing")

    def _drip(self, address: str, _: random.Random) -> None:
        connection = self._connected(address)
        self._count("an upload that drips")
        with contextlib.suppress(OSError):
            connection.sendall(_UPLOAD)
            for _number in range(600):
                connection.sendall(b"x")
                time.sleep(0.5)

    def _connected(self, address: str) -> socket.socket:
        connection = socket.socket()
        with self._lock:
            self._kept.enter_context(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        with contextlib.suppress(OSError):
            connection.bind((address, 0))
            connection.connect(("127.0.0.1", self._port))
        return connection

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1


def _largest() -> bytes:
    """Return a plain JPEG of as many pixels as a server takes."""
    out = io.BytesIO()
    Image.new("RGB", (7000, 7000), (90, 140, 60)).save(out, "JPEG")
    return out.getvalue()


def _tell(found: Attack) -> None:
    bare = statistics.median(found.idle)
    p95 = float(np.quantile(found.honest, 0.95))
    four = float(np.quantile(found.four, 0.95))
    first, last = found.memory[1], found.memory[-1]  # the first tenth fills caches and pools
    answered = len(found.honest) - found.refused.total()
    rows = [
        ("one at a time, idle: p50", f"{1000 * bare:.1f} ms", ""),
        ("four clients, none hostile: p95", f"{1000 * four:.1f} ms, {four / bare:.2f} × idle", ""),
        ("honest requests under attack", f"{len(found.honest):,} in {found.seconds:.0f} s", ""),
        ("… answered", f"{answered:,} {dict(found.refused) or ''}", "all"),
        ("… p50", f"{1000 * statistics.median(found.honest):.1f} ms, "
         f"{statistics.median(found.honest) / bare:.2f} × idle", ""),
        ("… p95", f"{1000 * p95:.1f} ms, {p95 / bare:.2f} × idle, {p95 / four:.2f} × none hostile",
         "≤ 5 × idle"),
        ("… the slowest", f"{max(found.honest):.2f} s", ""),
        ("memory of the server after each tenth, MiB", ", ".join(f"{m:.0f}" for m in found.memory),
         f"flat: {last / first:.2f}"),
        ("the most of all its processes (PSS)", f"{found.most:.0f} MiB", ""),
        ("SIGTERM to the end", f"{found.seconds_to_end:.2f} s, exit code {found.code}", "≤ 3 s"),
        ("on standard error", found.said.strip()[:300] or "nothing", "nothing"),
    ]  # fmt: skip
    print(f"{machine()}\n\n| measure | value | target |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print("\n| hostile | number |\n|---|---|")
    for what, number in sorted(found.hostile.items()):
        print(f"| {what} | {number} |")


if __name__ == "__main__":
    main()
