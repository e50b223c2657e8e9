"""`python -m benchmarks.serving STORE PHOTOS`: what the server adds to decoding and inference.

Starts `verger serve STORE`, and sends it the photos of a folder: one at a time, each beside the
bare decoding and inference of the same photo in this process; then by 4 clients at once; then
10,000 times, 1 in 20 of them hostile, with the server's memory read along the way.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.hostile import CONTENT_TYPE, body, hostile_bodies
from benchmarks.table import machine
from verger.gallery.identify import Identifier
from verger.photos.decode import decode

CLIENTS = 4
HOSTILE = 0.05
_MARGIN = 1.10  # memory this far apart still counts as flat
_ALLOWED = {200, 400, 413, 415, 422, 429, 503}


@dataclass
class Soak:
    """What many requests came to."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    malformed: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MiB, after each tenth


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--requests", type=int, default=10_000, help="of the long run")
    parser.add_argument("--count", type=int, default=200, help="photos of the short ones")
    options = parser.parse_args()
    files = sorted(options.photos.rglob("*.jpg"))
    photos = [file.read_bytes() for file in files[:: max(1, len(files) // 100)]]
    with _served(options.store) as (port, process):
        bare, alone = _side_by_side(options.store, photos, port, options.count)
        together = _together(photos, port, options.count)
        soak = _soak(photos, port, process, options.requests)
    _tell(bare, alone, together, soak)


@contextmanager
def _served(store: Path) -> Iterator[tuple[int, psutil.Process]]:
    command = [sys.executable, "-m", "verger", "serve", str(store), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = re.search(r"http://\S+?:(\d+)/", process.stdout.readline())
        assert ready, "the server did not start"
        try:
            yield int(ready[1]), psutil.Process(process.pid)
        finally:
            process.terminate()
            assert process.wait(60) == 0, "the server did not end well"


def _side_by_side(
    store: Path, photos: list[bytes], port: int, count: int
) -> tuple[list[float], list[float]]:
    """Seconds of each photo, bare and through the server, taken in turns."""
    identifier = Identifier.open(store)
    network, framing = identifier.backbone.network(), identifier.backbone.card.input.framing
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    bare, served = [], []
    for number in range(-10, count):  # the first ten warm both up
        photo = photos[number % len(photos)]
        start = time.perf_counter()
        network(decode(photo, framing, thumbnail=False).pixels[None])
        middle = time.perf_counter()
        status, _ = _send(client, body([photo]))
        end = time.perf_counter()
        assert status == 200
        if number >= 0:
            bare.append(middle - start)
            served.append(end - middle)
    return bare, served


def _together(photos: list[bytes], port: int, count: int) -> list[float]:
    """Seconds of each request of several clients at once."""
    seconds: list[float] = []

    def request(client: http.client.HTTPConnection, number: int) -> None:
        start = time.perf_counter()
        status, _ = _send(client, body([photos[number % len(photos)]]))
        assert status == 200
        seconds.append(time.perf_counter() - start)

    _clients(port, 2 * count, request)
    return seconds


def _soak(photos: list[bytes], port: int, process: psutil.Process, requests: int) -> Soak:
    soak = Soak()
    lock = threading.Lock()
    hostile = hostile_bodies(photos)

    def request(client: http.client.HTTPConnection, number: int) -> None:
        chance = random.Random(number)  # noqa: S311
        bad = chance.random() < HOSTILE
        sent = chance.choice(hostile)(chance) if bad else body([photos[number % len(photos)]])
        status, answer = _send(client, sent)
        said = _malformed(status, answer)
        with lock:
            soak.statuses[status] += 1
            if said:
                soak.malformed.append(said)
            if sum(soak.statuses.values()) % max(1, requests // 10) == 0:
                soak.memory.append(process.memory_info().rss / 2**20)

    start = time.perf_counter()
    _clients(port, requests, request)
    soak.seconds = time.perf_counter() - start
    return soak


def _clients(
    port: int, requests: int, request: Callable[[http.client.HTTPConnection, int], None]
) -> None:
    """Share requests out among clients, each with a connection of its own."""
    failures: list[BaseException] = []

    def run(mine: range) -> None:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            for number in mine:
                request(client, number)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the main thread
            failures.append(error)
        finally:
            client.close()

    threads = [
        threading.Thread(target=run, args=(range(at, requests, CLIENTS),)) for at in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _send(client: http.client.HTTPConnection, sent: bytes) -> tuple[int, bytes]:
    for attempt in (1, 2):
        try:
            client.request("POST", "/api/v1/identify", sent, {"Content-Type": CONTENT_TYPE})
            response = client.getresponse()
            return response.status, response.read()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            client.close()  # a connection that the server had ended after an earlier answer
            if attempt == 2:
                raise
    raise AssertionError


def _malformed(status: int, answer: bytes) -> str:
    """Say what is wrong with an answer, or nothing."""
    try:
        told = json.loads(answer)
    except ValueError:
        return f"{status}: no JSON"
    if status not in _ALLOWED:
        return f"{status}: not expected"
    if status == 200:
        return "" if told["verdict"] and told["neighbours"] else "200: without an answer"
    whole = told["status"] == status and told["type"].startswith("urn:verger:") and told["detail"]
    return "" if whole else f"{status}: no problem+json"


def _tell(bare: list[float], alone: list[float], together: list[float], soak: Soak) -> None:
    cost = statistics.median(bare)
    p50, p95 = statistics.median(alone), float(np.quantile(together, 0.95))
    settled = soak.memory[1:] or [0.0]  # the first tenth fills caches and pools
    grown = settled[-1] / settled[0] if settled[0] else 0.0
    rows = [
        ("decode + inference, bare, p50", f"{cost * 1000:.1f} ms", "", ""),
        ("one client, p50", f"{p50 * 1000:.1f} ms", f"{p50 / cost:.2f} × bare", "≤ 1.5"),
        (f"{CLIENTS} clients, p50", f"{statistics.median(together) * 1000:.1f} ms", "", ""),
        (f"{CLIENTS} clients, p95", f"{p95 * 1000:.1f} ms", f"{p95 / cost:.2f} × bare", "≤ 3"),
        ("long run, requests", f"{sum(soak.statuses.values()):,}", f"{soak.seconds:.0f} s", ""),
        ("long run, answers malformed", str(len(soak.malformed)), "; ".join(soak.malformed[:3]),
         "0"),
        ("long run, memory", ", ".join(f"{m:.0f}" for m in soak.memory) + " MiB",
         f"last / second {grown:.2f}", f"≤ {_MARGIN}"),
    ]  # fmt: skip
    print(f"{machine()}\n")
    print("| measure | value | | target |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print("\nanswers:", dict(sorted(soak.statuses.items())))


if __name__ == "__main__":
    main()
