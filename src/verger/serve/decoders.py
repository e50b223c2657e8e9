"""The server's side of the processes that decode: who decodes what, how long, and who gives way."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from verger.photos.decode import MOST_VIEWS, Framing
from verger.photos.reasons import Reason, Reject
from verger.serve.decoding import (
    ANSWER,
    COMMAND,
    FORK,
    HELLO,
    KILL,
    PHOTO,
    YIELD,
    Outcome,
    receive,
)

SECONDS_BEFORE_ASIDE = 1.0
MOST_ASIDE = 4
_SECONDS_TO_END = 1.0  # that the system may be late in ending a process
_SECONDS_TO_TELL = 10.0  # the pixels, once it has begun
_MOST_SAID = 2**16  # bytes of anything but pixels


class OutOfTime(Exception):
    """A photo was given up: its decoding took too long."""


class Decoders:
    """Processes that decode photos, for several threads.

    count: photos that are worked on at once. A photo that takes longer than a second to decode is
           set aside: it goes on with what the others leave of the processor, and another has its
           turn. Where too many are aside, the one that has been longest is given up.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._turns = threading.Semaphore(count)
        self._first = _First()
        self._lock = threading.Lock()
        self._idle: list[_Decoder] = []
        self._aside: list[_Decoder] = []
        self._working = 0
        self._closed = False

    def warm_up(self) -> None:
        """Have as many decoders ready as there are turns."""
        decoders = [self._taken() for _ in range(self._count)]
        for decoder in decoders:
            self._put_back(decoder)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until this thread is among those that may work; `decode` is called in one."""
        self._begin()
        try:
            yield
        finally:
            self._end()

    @property
    def alone(self) -> bool:
        """Whether no more than one thread works."""
        return self._working <= 1

    def decode(
        self, photo: bytes, framing: Framing, max_pixels: int, deadline: float
    ) -> npt.NDArray[np.uint8]:
        """Return the pixels (views, size, size, 3) of a photo, as `decode` does.

        deadline: of `time.monotonic`. Raises `Reject` for bytes that give no photo, `OutOfTime`
        where the decoding was given up, RuntimeError for a defect of the decoding itself.
        """
        decoder = self._asked(photo, framing, max_pixels, deadline)
        try:
            if not decoder.answers_within(SECONDS_BEFORE_ASIDE):
                with self._set_aside(decoder):
                    if not decoder.answers_within(deadline + _SECONDS_TO_END - time.monotonic()):
                        decoder.give_up()
            outcome, said = decoder.answer(framing)
        except (EOFError, OSError):
            decoder.close()
            if self._closed or decoder.given_up or time.monotonic() >= deadline:
                raise OutOfTime from None
            raise Reject(Reason.DAMAGED, "the decoder broke down on it") from None
        self._put_back(decoder)
        return _pixels(outcome, said, framing)

    def close(self) -> None:
        """End all processes, whatever they do; what they were asked is given up."""
        self._closed = True
        self._first.close()

    def _asked(self, photo: bytes, framing: Framing, max_pixels: int, deadline: float) -> _Decoder:
        """Hand a photo to a decoder: to another where the first one is not there any more."""
        while time.monotonic() < deadline:
            decoder = self._taken()
            try:
                decoder.ask(photo, framing, max_pixels, deadline - time.monotonic())
            except OSError:
                decoder.close()
            else:
                return decoder
        raise OutOfTime

    def _taken(self) -> _Decoder:
        if self._closed:
            raise OutOfTime
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return _Decoder(self._first)
        except (EOFError, OSError) as error:
            if self._closed:
                raise OutOfTime from None
            raise RuntimeError("no process could be started to decode in") from error

    def _put_back(self, decoder: _Decoder) -> None:
        with self._lock:
            if decoder.is_fresh and len(self._idle) < self._count:
                self._idle.append(decoder)
                return
        decoder.close()  # one too many, or one that is no longer as quick as others

    @contextmanager
    def _set_aside(self, decoder: _Decoder) -> Iterator[None]:
        """Let another thread have this one's turn meanwhile."""
        with self._lock:
            if len(self._aside) >= MOST_ASIDE:
                self._aside.pop(0).give_up()
            self._aside.append(decoder)
        decoder.give_way()
        self._end()
        try:
            yield
        finally:
            with self._lock:
                if decoder in self._aside:
                    self._aside.remove(decoder)
            self._begin()

    def _begin(self) -> None:
        self._turns.acquire()
        with self._lock:
            self._working += 1

    def _end(self) -> None:
        with self._lock:
            self._working -= 1
        self._turns.release()


class _First:
    """The process that the others are forked from; started again where it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    def tell(self, command: bytes, child: int = 0, *given: socket.socket) -> None:
        """Have something done. Raises OSError where that cannot be."""
        message = [COMMAND.pack(command, child)]
        with self._lock:
            if self._closed:
                raise BrokenPipeError
            try:
                socket.send_fds(self._socket, message, [each.fileno() for each in given])
            except OSError:
                self._end()
                self._start()
                socket.send_fds(self._socket, message, [each.fileno() for each in given])

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._end()

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and no name of a user's
                # -P: nothing is imported from the folder that the server happens to be started in.
                [sys.executable, "-P", "-m", "verger.serve.decoding", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is not for them; and it is ended as one group
                # One thread, so that forking is safe.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )

    def _end(self) -> None:
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class _Decoder:
    """One process that decodes, at the other end of a socket. Used from one thread at a time."""

    def __init__(self, first: _First) -> None:
        self.is_fresh = True
        self.given_up = False
        self._first = first
        self._socket, theirs = socket.socketpair()
        with theirs:
            first.tell(FORK, 0, theirs)
        (self._number,) = HELLO.unpack(receive(self._socket, HELLO.size))

    def ask(self, photo: bytes, framing: Framing, max_pixels: int, seconds: float) -> None:
        views = framing.views + (0,) * (MOST_VIEWS - len(framing.views))
        head = PHOTO.pack(framing.size, *views, max_pixels, seconds, len(photo))
        self._socket.sendall(head + photo)

    def answers_within(self, seconds: float) -> bool:
        """Wait until it answers, or is gone; say whether it did either in time."""
        self._wait_at_most(max(seconds, 0.001))
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        return True

    def answer(self, framing: Framing) -> tuple[Outcome, bytearray]:
        """Read its answer. Raises EOFError or OSError where none comes, or one that is none."""
        self._wait_at_most(_SECONDS_TO_TELL)
        number, length = ANSWER.unpack(receive(self._socket, ANSWER.size))
        try:
            outcome = Outcome(number)
        except ValueError:
            raise EOFError from None
        of_pixels = math.prod(_shape(framing))
        if length != of_pixels if outcome is Outcome.PIXELS else length > _MOST_SAID:
            raise EOFError
        return outcome, receive(self._socket, length)

    def _wait_at_most(self, seconds: float) -> None:
        """Set how long the system waits for what is to be received.

        Python's own time-outs wait for each piece of it, and a thread that wakes up waits its turn.
        """
        whole, part = divmod(round(seconds * 1e6), 1_000_000)
        limit = struct.pack("@ll", whole, part)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)

    def give_way(self) -> None:
        """Let it have only what the others leave of the processor, for good."""
        self.is_fresh = False
        self._first.tell(YIELD, self._number)

    def give_up(self) -> None:
        """End it: whoever waits for it learns that it is gone."""
        self.given_up = True
        self._first.tell(KILL, self._number)

    def close(self) -> None:
        self._socket.close()


def _shape(framing: Framing) -> tuple[int, int, int, int]:
    return len(framing.views), framing.size, framing.size, 3


def _pixels(outcome: Outcome, said: bytearray, framing: Framing) -> npt.NDArray[np.uint8]:
    if outcome is Outcome.PIXELS:
        return np.frombuffer(said, np.uint8).reshape(_shape(framing))
    if outcome is Outcome.DEFECT:
        raise RuntimeError(said.decode(errors="replace"))
    reason, _, detail = said.decode(errors="replace").partition("\0")
    try:
        raise Reject(Reason(reason), detail)
    except ValueError:
        raise Reject(Reason.DAMAGED, "the decoder broke down on it") from None
