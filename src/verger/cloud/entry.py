"""What a server, a cluster or a serverless application starts: one run, watched from beside it.

    entry.py --job ID --scratch s3://BUCKET [--region R] [--since EPOCH] [--notify TOPIC]
             -- run PHOTOS STORE …, or notebook PHOTOS STORE …

The arguments of Verger are written as in URLs (`%C3%A9` for é), for they come by ways that know
only ASCII.

Verger runs in a process of its own, so that whatever becomes of it, killed for its memory included,
the scratch bucket has at the end `result.json` (how it ended, how long it took, what was counted)
and `logs/progress.log`, which grows meanwhile. Under spark-submit the process joins the Spark
that is running; elsewhere it starts one.

`spark-submit` is given this file itself, so it imports nothing of Verger by a relative name.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3

import verger
from verger.cloud.objects import Objects
from verger.machine.cores import cores
from verger.store.summary import summary
from verger.texts.numbers import plural

RESULT_KEY = "result.json"
LOG_KEY = "logs/progress.log"

_SECONDS_BETWEEN_UPLOADS = 5.0
_SECONDS_TO_STOP = 60
_LONGEST_LOG = 1_000_000  # bytes; of a longer one the end is uploaded

Put = Callable[[str, bytes], None]


class Watched:
    """One run of Verger: its lines with their times, and how it ended."""

    def __init__(self, job: str, since: float, log: Path) -> None:
        self.job = job
        self.log = log
        self.error = ""
        self.first_photo: float | None = None
        self._since = since
        self._begun = time.time()
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Add a line, with its moment (UTC), to the log and to what the platform keeps."""
        if self.first_photo is None and line.startswith("Embedding: "):
            self.first_photo = time.time()
        if line.startswith("verger: "):
            self.error = line.removeprefix("verger: ")
        stamped = f"{time.strftime('%H:%M:%S', time.gmtime())}  {line}\n"
        with self._lock:
            sys.stderr.write(stamped)
            sys.stderr.flush()
            with self.log.open("a", encoding="utf-8") as file:
                file.write(stamped)

    def result(self, code: int, record: Mapping[str, Any] | None) -> dict[str, Any]:
        """Tell how it ended. Seconds are wall clock; `to_first_photo` is as progress told it."""
        now = time.time()
        error = self.error if code else ""
        if code and not error:
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            error = f"Verger ended {how}, and said nothing."
        first = None if self.first_photo is None else round(self.first_photo - self._since, 1)
        return {
            "job": self.job,
            "exit_code": code if code >= 0 else 128 - code,
            "error": error,
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "seconds": {
                "before": round(self._begun - self._since, 1),
                "to_first_photo": first,
                "run": round(now - self._begun, 1),
            },
            "record": record,
        }


def main(arguments: list[str] | None = None) -> int:
    """Run Verger, tell the scratch bucket, and return Verger's exit code."""
    given = _parser().parse_args(arguments)
    if given.region:
        os.environ.setdefault("AWS_REGION", given.region)
        os.environ.setdefault("AWS_DEFAULT_REGION", given.region)
    words = [unquote(word) for word in given.verger]
    watched = Watched(given.job, given.since or time.time(), Path.cwd() / "progress.log")
    put = _putter(given.scratch)
    watched.say(f"Verger {verger.__version__}, job {given.job}, on {cores()} core{plural(cores())}")
    process = _start(words, given.scratch)
    insist = functools.partial(_insist, process)
    # On time or out of time, the platform says SIGTERM first; Verger then ends in good order.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=insist, daemon=True).start())
    with _uploading(watched.log, put):
        record = _follow(process, watched)
        code = process.wait()
        if record is not None:
            for line in summary(record, words[2]).splitlines():
                watched.say(line)
        told = watched.result(code, record)
        result = json.dumps(told, indent=1).encode()
    Path(RESULT_KEY).write_bytes(result)
    put(RESULT_KEY, result)
    if given.notify:
        notify(given.notify, told)
    return code if code >= 0 else 128 - code


def notify(topic: str, result: Mapping[str, Any]) -> None:
    """Tell a topic of SNS how it ended; a failure is told, and ends nothing."""
    how = f"failed ({result['exit_code']})" if result["exit_code"] else "is done"
    counts = (result["record"] or {}).get("counts", {})
    done = f"{counts['embedded']:d} of {counts['listed']:d} photos." if counts else ""
    lines = [
        f"Job {result['job']} {how} after {result['seconds']['run']:.0f} s.",
        result["error"] or done,
    ]
    try:
        client = boto3.client("sns", region_name=topic.split(":")[3])
        client.publish(TopicArn=topic, Subject=f"Verger {how}", Message="\n".join(lines))
    except Exception as error:  # noqa: BLE001 - the run matters more than its news
        sys.stderr.write(f"{topic} was not told: {error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run Verger where it was sent.")
    parser.add_argument("--job", required=True)
    parser.add_argument("--scratch", required=True, help="s3://BUCKET, for the result and the log")
    parser.add_argument("--region", default="")
    parser.add_argument("--notify", default="", help="a topic of SNS that is told how it ended")
    parser.add_argument("--since", type=float, help="when the server began, in seconds of Unix")
    parser.add_argument("verger", nargs="+", help="-- run PHOTOS STORE …, or notebook …")
    return parser


def _start(words: list[str], scratch: str) -> subprocess.Popen[str]:
    """Start Verger, or what opens a notebook, with this Python and what this Python imports."""
    if words[0] == "notebook":
        module = ["verger.cloud.lab", "--scratch", scratch, *words[1:]]
    else:
        module = ["verger", *words, "--json"]
    here = str(Path(verger.__file__).parent.parent)
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return subprocess.Popen(  # noqa: S603 - a list, no shell
        [sys.executable, "-P", "-m", *module],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )


def _insist(process: subprocess.Popen[str]) -> None:
    """Ask it to end each second, and then no more.

    Once is not enough: a signal that comes just before a program begins to wait does not wake it.
    """
    for _ in range(_SECONDS_TO_STOP):
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
            return
    process.kill()


def _follow(process: subprocess.Popen[str], watched: Watched) -> dict[str, Any] | None:
    """Pass on what the run says until it ends; return its record, which it prints at last."""
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
    told: list[str] = []
    reader = threading.Thread(target=told.extend, args=(process.stdout,), daemon=True)
    reader.start()
    for line in process.stderr:
        watched.say(line.rstrip("\n"))
    reader.join()
    with contextlib.suppress(ValueError):
        record = json.loads("".join(told))
        return record if isinstance(record, dict) else None
    return None


@contextlib.contextmanager
def _uploading(log: Path, put: Put) -> Iterator[None]:
    """Upload the log as it grows, and once more at the end."""
    ended = threading.Event()

    def upload() -> None:
        sent = -1
        while True:
            last = ended.wait(_SECONDS_BETWEEN_UPLOADS)
            size = log.stat().st_size
            if size != sent:
                put(LOG_KEY, log.read_bytes()[-_LONGEST_LOG:])
                sent = size
            if last:
                return

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _putter(scratch: str) -> Put:
    """Return what puts an object into the scratch bucket; a failure is told, and ends nothing."""
    objects = Objects(scratch)

    def put(key: str, body: bytes) -> None:
        try:
            objects.put(key, body)
        except Exception as error:  # noqa: BLE001 - the run matters more than its log
            sys.stderr.write(f"{objects.url}/{key} was not written: {error}\n")

    return put


if __name__ == "__main__":
    sys.exit(main())
