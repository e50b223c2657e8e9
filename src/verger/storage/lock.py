"""The lock of a bucket: an object that says who holds it, renewed for as long as it is held.

A takeover writes only over the version it read; a living owner has renewed it since, so the write
fails. Renewals are written in the same way.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from verger.errors import VergerError
from verger.storage import limits
from verger.storage.bucket_client import Client


class Lock:
    """An object that says who holds a lock, and that is renewed while it is held."""

    def __init__(self, client: Client, path: str) -> None:
        self._client, self._path = client, path
        self._said = {"machine": this_machine(), "pid": os.getpid(), "run": uuid.uuid4().hex}
        self._tag: Any = None
        self._beats = 0
        self._renewed = 0.0  # when that was last known to have been done
        self._guard = threading.RLock()  # the beat and the run renew it, one at a time
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def take(self) -> None:
        """Take the lock, or raise BlockingIOError."""
        for _ in range(3):
            try:
                self._put("create")
                break
            except AlreadyExistsError:
                pass
            with suppress(FileNotFoundError):  # given back just now
                self._take_over()
                break
        else:
            raise BlockingIOError(errno.EWOULDBLOCK, "held", self._path)
        self._thread.start()

    def release(self) -> None:
        """Give the lock back, unless another has taken it over."""
        self._ended.set()
        self._thread.join(10)  # what it still writes then is refused: the lock is another, or gone
        with suppress(BaseError, OSError):
            if self._is_own():
                self._client.delete_if(self._path, self._tag)

    def is_held(self) -> bool:
        """Say whether the lock is still this one's own: so it is for a while after each renewal."""
        fresh = min(limits.BEAT, limits.LAPSE / 6)
        return _awake() - self._renewed < fresh or self.renew()

    def renew(self) -> bool:
        """Renew the lock; say whether it was still this one's own."""
        with self._client.told(self._path), self._guard:
            try:
                self._put({"e_tag": self._tag})
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                self._renewed = 0.0
                return False
            return True

    def _found(self) -> tuple[dict[str, Any], Any]:
        """Read who holds the lock, and what the store says of the object."""
        found = obstore.get(self._client.store, self._path)
        try:
            holder = dict(json.loads(bytes(found.bytes())))
        except (ValueError, TypeError):
            holder = {}  # written by something else
        return holder, found.meta

    def _take_over(self) -> None:
        holder, meta = self._found()
        if not is_gone(holder) and self._age(meta["last_modified"]) < limits.LAPSE:
            raise BlockingIOError(errno.EWOULDBLOCK, "held", self._path)
        try:
            self._put({"e_tag": meta["e_tag"]})
        except PreconditionError:
            raise BlockingIOError(errno.EWOULDBLOCK, "held", self._path) from None

    def _age(self, since: datetime) -> float:
        """Return the seconds since then, by the store's clock: this machine's may differ."""
        probe = f"{self._path}-{uuid.uuid4().hex}"
        obstore.put(self._client.store, probe, b"")
        try:
            now = obstore.head(self._client.store, probe)["last_modified"]
            return (now - since).total_seconds()
        finally:
            self._client.again(lambda: obstore.delete(self._client.store, probe))

    def _put(self, mode: Any) -> None:
        """Write the object if it is what `mode` says, or if it is this one's own already."""
        self._beats += 1
        body = json.dumps(self._said | {"beat": self._beats}).encode()
        asked = _awake()
        try:
            put = partial(obstore.put, self._client.store, self._path, body, mode=mode)
            self._tag = self._client.again(put)["e_tag"]
        except (AlreadyExistsError, PreconditionError):
            # An answer was lost on its way, and what was asked again had been done.
            if not self._is_own():
                raise
        else:
            self._renewed = asked

    def _is_own(self) -> bool:
        try:
            holder, meta = self._found()
        except FileNotFoundError:  # given back by another just now
            return False
        is_own = holder.get("run") == self._said["run"]
        if is_own:
            self._tag = meta["e_tag"]
        return is_own

    def _beat(self) -> None:
        while not self._ended.wait(limits.BEAT):
            with suppress(VergerError, OSError):
                if not self.renew():
                    return  # taken over while this process slept


def _awake() -> float:
    """Return the seconds of a clock that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def this_machine() -> str:
    """Name this machine, and on Linux the container: where a process has its number.

    Names of hosts alone would not do: two laptops may have the same one.
    """
    known = [socket.gethostname(), f"{uuid.getnode():x}"]
    with suppress(OSError):
        known += [Path("/proc/sys/kernel/random/boot_id").read_text().strip()]
        known += [str(Path("/proc/self/ns/pid").stat().st_ino)]
    return " ".join(known)


def is_gone(holder: Mapping[str, Any]) -> bool:
    """Say whether the process that holds a lock was on this machine and has ended."""
    if holder.get("machine") != this_machine():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, KeyError, ValueError, TypeError):
        return False
    return False
