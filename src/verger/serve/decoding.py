"""`python -m verger.serve.decoding FD`: the processes that decode the photos of strangers.

A decoder cannot be interrupted, but a process can be ended: by the system, when the time of its
photo is over, whatever it is doing. The first process imports what decoding needs, and forks
another wherever the server asks for one (a few milliseconds, and memory that is mostly shared); it
has one thread, so that forking is safe. When the server ends or dies, all of them end.

What goes in and out are bytes and numbers of known size, nothing that is built into objects.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import socket
import struct
import sys
import traceback
from enum import Enum
from typing import NoReturn

from PIL import Image

from verger.photos.decode import MOST_VIEWS, Framing, decode
from verger.photos.reasons import Reject

# What the server asks of the first process: what to do, and with which of the others.
COMMAND = struct.Struct("<cI")
FORK, YIELD, KILL = b"f", b"y", b"k"
# What it asks of the others: the side and the views, of which 0 is none, the most pixels, seconds,
# and how many bytes follow.
PHOTO = struct.Struct(f"<I{MOST_VIEWS}IQdQ")
# What these say first, their number; then for each photo: what it is, and how many bytes follow.
HELLO = struct.Struct("<I")
ANSWER = struct.Struct("<BI")
_LEAST_SECONDS = 0.001  # 0 would be no limit at all
_LOWEST_PRIORITY = 19


class Outcome(Enum):
    """What became of a photo."""

    PIXELS = 0  # uint8, (views, size, size, 3)
    REJECT = 1  # the reason and the detail, with a null byte between
    DEFECT = 2  # a traceback


def blank() -> bytes:
    """Return a photo to warm up with.

    It is of a usual size: with its memory the allocator learns to keep what a decode takes. A
    process that had seen small ones only would get it from the system anew each time, a millisecond
    of four.
    """
    out = io.BytesIO()
    Image.new("RGB", (1600, 1600)).save(out, "JPEG")
    return out.getvalue()


def receive(connection: socket.socket, size: int) -> bytearray:
    """Receive so many bytes. Raises EOFError where they do not come."""
    data = bytearray(size)
    left = memoryview(data)
    while left:
        received = connection.recv_into(left, 0, socket.MSG_WAITALL)  # woken once, at the end
        if not received:
            raise EOFError
        left = left[received:]
    return data


def main() -> NoReturn:
    """Fork, and do to those that were forked, what the server asks for, until it ends."""
    # A service manager tells all processes to stop: the server decides when these do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    server = socket.socket(fileno=int(sys.argv[1]))
    decode(blank(), thumbnail=False)  # imports, and tables that are made once
    gc.freeze()  # what is shared stays shared
    children: set[int] = set()
    with contextlib.suppress(EOFError, OSError):
        while True:
            _obey(server, children)
    os.killpg(0, signal.SIGKILL)  # its own group, which is all that it forked, and itself
    raise AssertionError


def _obey(server: socket.socket, children: set[int]) -> None:
    message, given, _, _ = socket.recv_fds(server, COMMAND.size, 1)
    if len(message) < COMMAND.size:
        raise EOFError
    command, child = COMMAND.unpack(message)
    # Here alone are numbers given back to the system, so that one means what the server thinks.
    while children and (ended := os.waitpid(-1, os.WNOHANG)[0]):
        children.discard(ended)
    if command == FORK:
        with socket.socket(fileno=given[0]) as connection:
            try:
                child = os.fork()
            except OSError:  # too many processes: the server sees its connection closed
                return
            if not child:
                server.close()
                _decode_all(connection)
        children.add(child)
    elif child in children and command == KILL:
        os.kill(child, signal.SIGKILL)
    elif child in children and command == YIELD:
        os.setpriority(os.PRIO_PROCESS, child, _LOWEST_PRIORITY)


def _decode_all(server: socket.socket) -> NoReturn:
    """Decode one photo after another, until the server closes its side."""
    try:
        server.sendall(HELLO.pack(os.getpid()))
        while True:
            size, *views, most, seconds, length = PHOTO.unpack(receive(server, PHOTO.size))
            photo = bytes(receive(server, length))
            # When the time is over, SIGALRM's default action ends this process.
            signal.setitimer(signal.ITIMER_REAL, max(seconds, _LEAST_SECONDS))
            framing = Framing(size, tuple(view for view in views if view))
            outcome, said = _decoded(photo, framing, most)
            signal.setitimer(signal.ITIMER_REAL, 0)
            server.sendall(ANSWER.pack(outcome.value, len(said)) + said)
            del photo, said
    except (EOFError, OSError):
        os._exit(0)
    except BaseException:  # noqa: BLE001 - it must not go on where it was forked
        traceback.print_exc()
        os._exit(1)


def _decoded(photo: bytes, framing: Framing, most: int) -> tuple[Outcome, bytes]:
    try:
        pixels = decode(photo, framing, most, thumbnail=False).pixels
    except Reject as reject:
        return Outcome.REJECT, f"{reject.reason.value}\0{reject.detail}".encode(errors="replace")
    except Exception:  # noqa: BLE001 - the server logs it
        return Outcome.DEFECT, traceback.format_exc().encode(errors="replace")
    return Outcome.PIXELS, pixels.tobytes()


if __name__ == "__main__":
    main()
