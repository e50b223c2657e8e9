"""The processes that decode: they give what `decode` gives, and can be ended whatever they do."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import numpy as np
import numpy.typing as npt
import psutil
import pytest
from PIL import Image

from verger.photos.decode import Framing, decode
from verger.photos.reasons import Reject
from verger.serve.decoders import MOST_ASIDE, Decoders, OutOfTime

from .conftest import Photo
from .test_limits import _until, is_gone

_FRAMING = Framing(160, (180, 300))
_PIXELS = 40_000_000
_LONG = 300.0


_OTHERS: set[psutil.Process] = set()  # what ran before: servers of other tests


@pytest.fixture(autouse=True)
def _only_ours() -> None:
    _OTHERS.clear()
    _OTHERS.update(psutil.Process().children())


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    made = Decoders(1)
    made.warm_up()
    yield made
    made.close()


def _decode(
    decoders: Decoders, photo: bytes, seconds: float = _LONG, began: Event | None = None
) -> npt.NDArray[np.uint8]:
    with decoders.turn():
        if began:
            began.set()
        return decoders.decode(photo, _FRAMING, _PIXELS, time.monotonic() + seconds)


def _processes() -> list[psutil.Process]:
    """Return those that decode, which are the children of a child of this one."""
    return list(_first().children())


def _first() -> psutil.Process:
    (first,) = set(psutil.Process().children()) - _OTHERS
    return first


def _end(process: psutil.Process) -> None:
    process.kill()
    _until(lambda: is_gone(process))


def test_they_give_the_pixels_that_decode_gives(decoders: Decoders, photo: Photo) -> None:
    for size in (50, 160, 400):
        jpeg = photo(size=size)
        pixels = _decode(decoders, jpeg)
        assert (pixels == decode(jpeg, _FRAMING, thumbnail=False).pixels).all()
    assert len(_processes()) == 1


@pytest.mark.parametrize("data", [b"", b"no photo", b"GIF89a" + b"\xff" * 12, b"\xff\xd8" * 99])
def test_they_give_the_reasons_that_decode_gives(
    decoders: Decoders, photo: Photo, data: bytes
) -> None:
    with pytest.raises(Reject) as here:
        decode(data, _FRAMING, _PIXELS)
    with pytest.raises(Reject) as there:
        _decode(decoders, data)
    assert (there.value.reason, there.value.detail) == (here.value.reason, here.value.detail)
    with pytest.raises(Reject) as too_large:
        decoders.decode(photo(size=400), _FRAMING, 10**5, time.monotonic() + _LONG)
    assert too_large.value.reason == "too_large"


def test_what_takes_too_long_is_ended_and_another_takes_its_place(
    decoders: Decoders, photo: Photo
) -> None:
    (before,) = _processes()
    with pytest.raises(OutOfTime):
        _decode(decoders, _large(), 0.02)
    assert _decode(decoders, photo()).shape == (2, 160, 160, 3)
    (after,) = _processes()
    assert after.pid != before.pid


def test_what_takes_long_lets_others_pass(decoders: Decoders, photo: Photo) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = _stuck(decoders, pool, photo())
        assert _decode(decoders, photo()).shape == (2, 160, 160, 3)
        assert not slow.done()
        decoders.close()
        with pytest.raises(OutOfTime):
            slow.result(60)


def test_of_too_many_that_take_long_the_first_is_given_up(decoders: Decoders, photo: Photo) -> None:
    with ThreadPoolExecutor(MOST_ASIDE + 1) as pool:
        slow = [_stuck(decoders, pool, photo()) for _ in range(MOST_ASIDE + 1)]
        with pytest.raises(OutOfTime):
            slow[0].result(60)
        assert _decode(decoders, photo()).shape == (2, 160, 160, 3)
        assert not any(each.done() for each in slow[1:])
        decoders.close()


def test_one_that_breaks_down_is_replaced(decoders: Decoders, photo: Photo) -> None:
    _end(_processes()[0])
    assert _decode(decoders, photo()).shape == (2, 160, 160, 3)
    first = _first()
    _end(_processes()[0])
    _end(first)
    assert _decode(decoders, photo()).shape == (2, 160, 160, 3)


def test_a_photo_that_breaks_one_is_damaged(decoders: Decoders, photo: Photo) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = _stuck(decoders, pool, photo())
        for process in _processes():
            process.kill()
        with pytest.raises(Reject, match="broke down"):
            slow.result(60)


def test_none_is_left_behind(photo: Photo) -> None:
    decoders = Decoders(2)
    decoders.warm_up()
    with ThreadPoolExecutor(1) as pool:
        slow = _stuck(decoders, pool, photo())
        first = _first()  # and its own children: servers of other tests have some too
        processes = [first, *first.children(recursive=True)]
        assert len(processes) >= 3
        decoders.close()
        with pytest.raises(OutOfTime):
            slow.result(60)
    _until(lambda: [each for each in processes if not is_gone(each)] == [])
    with pytest.raises(OutOfTime):
        _decode(decoders, photo())


def _stuck(
    decoders: Decoders, pool: ThreadPoolExecutor, photo: bytes
) -> Future[npt.NDArray[np.uint8]]:
    """Have a photo decoded by a process that does not get on with it; return once it is aside."""
    _decode(decoders, photo)  # now one process waits for work
    for process in _processes():
        process.send_signal(signal.SIGSTOP)
    began = Event()
    future = pool.submit(_decode, decoders, photo, began=began)
    began.wait(60)
    with decoders.turn():  # as soon as it has given up its own
        return future


def _large() -> bytes:
    """Return a sound photo whose decoding takes a tenth of a second at the least."""
    out = io.BytesIO()
    Image.new("RGB", (6000, 6000)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def test_a_thread_is_alone_until_another_works_and_again_after_it() -> None:
    both = Decoders(2)
    try:
        with both.turn():
            assert both.alone
            with both.turn():
                assert not both.alone
            assert both.alone
    finally:
        both.close()
