"""Embedding without Spark: order, batches, rejects, and how much is under way at once."""

from __future__ import annotations

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import corners, encoded, smooth
from verger.embed import Backbone, Card, InputSpec
from verger.embed.features import (
    MOST_ROWS_HELD,
    READ_AHEAD_BYTES,
    READ_AHEAD_PHOTOS,
    ROWS_A_RECORD_BATCH,
    Embedder,
    Made,
    content_columns,
    embed,
    features_schema,
    rejects_schema,
)
from verger.photos.decode import decode
from verger.photos.reasons import Reason
from verger.photos.references import PhotoRef
from verger.storage.prefetch import ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    import numpy.typing as npt

    from verger.embed.features import Embedded

SIZE, FEATURES = 16, 5
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=dt.UTC)


# ahead --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as executor:
        yield executor


class Gauge:
    """Work that counts how much of it, and of its weight, is under way or not yet taken."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self.given: list[int] = []

    def __call__(self, item: int) -> int:
        with self._lock:
            self.given.append(item)
        time.sleep(self._seconds * (item % 3))
        return item * 2


@settings(max_examples=40, deadline=None)
@given(
    items=st.lists(st.integers(0, 50), max_size=40),
    most=st.integers(1, 10),
    most_weight=st.integers(0, 60),
)
def test_ahead_keeps_the_order_and_its_bounds(
    pool: ThreadPoolExecutor, items: list[int], most: int, most_weight: int
) -> None:
    taken: list[int] = []
    under_way: list[int] = []

    def feed() -> Iterator[int]:
        for item in items:
            taken.append(item)
            yield item

    out: list[int] = []
    given = ahead(pool, Gauge(), feed(), most=most, weight=lambda n: n, most_weight=most_weight)
    for result in given:
        # One item may have been taken from the source that waits until there is room for it.
        under_way = taken[len(out) : -1] if len(taken) - len(out) > 1 else taken[len(out) :]
        assert len(under_way) <= most
        assert sum(under_way) <= max(most_weight, *under_way)
        out.append(result)
    assert out == [item * 2 for item in items]


def test_ahead_is_ahead(pool: ThreadPoolExecutor) -> None:
    begun = threading.Barrier(4, timeout=20)  # broken unless four items are under way at once
    results = ahead(pool, lambda _item: begun.wait() >= 0, range(8), most=4)
    assert list(results) == [True] * 8


def test_one_item_heavier_than_the_bound_still_goes_alone(pool: ThreadPoolExecutor) -> None:
    lock, running, most_running = threading.Lock(), 0, 0

    def work(item: int) -> int:
        nonlocal running, most_running
        with lock:
            running += 1
            most_running = max(most_running, running)
        time.sleep(0.002)
        with lock:
            running -= 1
        return item

    heavy = ahead(pool, work, [100, 100, 100], most=8, weight=lambda n: n, most_weight=10)
    assert list(heavy) == [100, 100, 100]
    assert most_running == 1


def test_an_exception_comes_in_its_turn(pool: ThreadPoolExecutor) -> None:
    def work(item: int) -> float:
        time.sleep(0.01 * (item < 3))
        return 1 / (item - 3)

    results = ahead(pool, work, range(10), most=6)
    assert [next(results) for _ in range(3)] == [1 / -3, 1 / -2, -1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_source_that_fails_fails_the_whole(pool: ThreadPoolExecutor) -> None:
    def feed() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(ahead(pool, abs, feed(), most=4))


def test_what_has_not_begun_is_cancelled_when_the_caller_stops() -> None:
    work = Gauge(seconds=0.01)
    with ThreadPoolExecutor(1) as single:
        results = ahead(single, work, range(2, 1000), most=50)
        assert next(results) == 4
        results.close()  # type: ignore[attr-defined]
    assert len(work.given) < 10


# embed --------------------------------------------------------------------------------------------


def embedder(
    batch_size: int = 4,
    max_pixels: int = 10_000_000,
    max_bytes: int = 10_000_000,
    decoders: int = 1,
) -> Embedder:
    spec = InputSpec("x", "NHWC", "uint8", size=SIZE, views=(SIZE,))
    backbone = Backbone(Card("fake", "", spec, "y", FEATURES), None)
    return Embedder(backbone, batch_size, max_pixels, max_bytes, decoders)


class Fake:
    """A network whose features are sums over each photo, alone."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        assert photos.shape[1:] == (1, SIZE, SIZE, 3)
        assert photos.dtype == np.uint8
        self.batches.append(len(photos))
        return features_of(photos)


def features_of(photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    sums = photos.reshape(len(photos), -1).astype(np.float32)
    return np.stack([sums[:, k::FEATURES].mean(axis=1) for k in range(FEATURES)], axis=1)


GOOD = [encoded(smooth(20 + n, 24, seed=n), "JPEG") for n in range(7)]
BAD = {"text.jpg": b"no photo", "cut.jpg": GOOD[0][:200], "void.jpg": b""}


def references(names: list[str]) -> list[PhotoRef]:
    return [PhotoRef(name, f"label {n}", 1000 + n, NOW) for n, name in enumerate(names)]


def read(path: str) -> bytes:
    if path in BAD:
        return BAD[path]
    if path.startswith("gone"):
        raise FileNotFoundError(2, "No such file or directory")
    return GOOD[int(path.split(".")[0])]


def rows_of(
    refs: list[PhotoRef],
    batch_size: int = 4,
    read: Callable[[str], bytes] = read,
    **options: Any,
) -> list[dict[str, Any]]:
    """Return the rows of both tables, in the order of the references, which `bytes` number.

    A row that has a `reason` is a reject, and one that has `features` is none.
    """
    rows: list[dict[str, Any]] = []
    for features, rejects, _ in embed(refs, embedder(batch_size, **options), read, Fake()):
        assert features.schema.equals(features_schema(), check_metadata=True)
        assert rejects.schema.equals(rejects_schema(), check_metadata=True)
        assert 0 < len(features) + len(rejects) <= MOST_ROWS_HELD
        made = []
        for batch in (features, rejects):
            batch.validate(full=True)
            some = batch.to_pylist()
            assert some == sorted(some, key=_number)
            made += some
        rows += sorted(made, key=_number)
    assert rows == sorted(rows, key=_number)
    return rows


def _number(row: dict[str, Any]) -> int:
    number: int = row["bytes"]
    return number


def sizes_of(batches: Iterable[Embedded]) -> list[int]:
    return [len(batch.features) + len(batch.rejects) for batch in batches]


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [4, 512, 513, 1000, 1024])
def test_a_batch_is_as_large_as_it_was_asked_for(batch_size: int) -> None:
    """The settings allow 1,024; a batch of more than 512 was cut short in silence."""
    network = Fake()
    refs = references(["0.jpg", "void.jpg", "1.jpg"] * 800)
    made = list(embed(refs, embedder(batch_size), read, network))
    assert sum(sizes_of(made)) == 2400
    full, rest = divmod(1600, batch_size)
    assert network.batches == [batch_size] * full + [rest] * bool(rest)


MIXED = ["0.jpg", "text.jpg", "3.jpg", "gone.jpg", "1.jpg", "void.jpg", "cut.jpg", "6.jpg", "2.jpg"]
REASONS = {
    "text.jpg": "not_an_image",
    "gone.jpg": "unreadable",
    "void.jpg": "empty",
    "cut.jpg": "truncated",
}


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 8, 1000])
def test_one_row_for_each_reference_in_the_same_order(batch_size: int) -> None:
    names = MIXED * 20
    refs = references(names)
    rows = rows_of(refs, batch_size)
    assert [row["path"] for row in rows] == names
    for row, ref in zip(rows, refs, strict=True):
        assert (row["label"], row["bytes"]) == (ref.label, ref.bytes)
        assert row["modified"] == NOW
        if ref.path in REASONS:
            assert row.keys() == set(rejects_schema().names)
            assert row["reason"] == REASONS[ref.path]
            assert row["detail"]
        else:
            photo = decode(read(ref.path), embedder().backbone.card.input.framing)
            assert row.keys() == set(features_schema().names)
            assert (
                np.float32(row["features"]).tolist() == features_of(photo.pixels[None])[0].tolist()
            )
            assert (row["width"], row["height"]) == (photo.width, photo.height)
            assert row["thumbnail"] == photo.thumbnail


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.sampled_from([*MIXED, "4.jpg", "5.jpg"]), max_size=150),
    batch_size=st.integers(1, 9),
)
def test_neighbours_and_batches_change_nothing(names: list[str], batch_size: int) -> None:
    rows = rows_of(references(names), batch_size)
    alone = {name: rows_of(references([name]))[0] for name in set(names)}
    assert [row["path"] for row in rows] == names
    for row in rows:
        other = alone[row["path"]]
        assert row.keys() == other.keys()
        for column in row.keys() - {"label", "bytes"}:  # these tell the references apart
            assert row[column] == other[column]


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.sampled_from([*MIXED, "4.jpg", "5.jpg"]), max_size=150),
    batch_size=st.sampled_from([1, 5, 64]),
    decoders=st.integers(2, 6),
)
def test_many_decoders_change_nothing(names: list[str], batch_size: int, decoders: int) -> None:
    refs = references(names)
    assert rows_of(refs, batch_size, decoders=decoders) == rows_of(refs)


def test_decoders_decode_at_once_and_the_next_batch_while_the_network_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = threading.Barrier(4, timeout=20)  # broken unless four decode at once
    decoded: list[None] = []
    at_first_batch: list[int] = []

    def slow(*arguments: Any) -> Any:
        together.wait()
        decoded.append(None)
        return decode(*arguments)

    class Busy(Fake):
        def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            deadline = time.monotonic() + 20
            while not self.batches and len(decoded) < 16 and time.monotonic() < deadline:
                time.sleep(0.001)
            at_first_batch.append(len(decoded))
            return super().__call__(photos)

    monkeypatch.setattr("verger.embed.features.decode", slow)
    refs = references(["0.jpg"] * 32)
    assert sum(sizes_of(embed(refs, embedder(8, decoders=4), read, Busy()))) == 32
    assert at_first_batch[0] >= 16


def test_photos_that_wait_for_decoders_have_a_bound_in_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("verger.embed.features.DECODE_AHEAD_BYTES", 3 * len(GOOD[0]))
    lock, waiting, most = threading.Lock(), 0, 0

    def counted(path: str) -> bytes:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        return read(path)

    def slow(*arguments: Any) -> Any:
        nonlocal waiting
        time.sleep(0.002)
        with lock:
            waiting -= 1
        return decode(*arguments)

    monkeypatch.setattr("verger.embed.features.decode", slow)
    refs = references(["0.jpg"] * 200)
    list(embed(refs, embedder(64, decoders=2), counted, Fake()))
    assert most <= READ_AHEAD_PHOTOS + 3 + 2  # read, at the decoders, and at hand


def test_batches_of_the_network_are_full_but_for_the_last() -> None:
    fake = Fake()
    names = ["0.jpg", "text.jpg", "1.jpg"] * 100
    list(embed(references(names), embedder(7), read, fake))
    assert fake.batches == [7] * 28 + [4]


def test_record_batches_are_small_whatever_the_batch_of_the_network() -> None:
    refs = references(["0.jpg"] * 300)
    sizes = sizes_of(embed(refs, embedder(8), read, Fake()))
    assert sizes == [ROWS_A_RECORD_BATCH] * 4 + [300 - 4 * ROWS_A_RECORD_BATCH]
    bad = references(["text.jpg"] * 1200)
    sizes = sizes_of(embed(bad, embedder(), read, Fake()))
    assert max(sizes) <= MOST_ROWS_HELD
    assert sum(sizes) == 1200
    # A photo that waits for its batch to fill does not hold rejects without end.
    stuck = references(["0.jpg"] + ["text.jpg"] * 1200)
    sizes = sizes_of(embed(stuck, embedder(8), read, Fake()))
    assert max(sizes) <= MOST_ROWS_HELD
    assert sum(sizes) == 1201


def test_no_reference_gives_no_row_and_rejects_alone_need_no_network() -> None:
    def never(photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        raise AssertionError("nothing to infer")

    told: list[tuple[int, int]] = []
    assert list(embed([], embedder(), read, never, lambda *n: told.append(n))) == []
    assert told == [(0, 0)]
    (batch,) = embed(references(["void.jpg"] * 3), embedder(), read, never)
    assert batch.rejects.column("reason").to_pylist() == ["empty"] * 3
    assert len(batch.features) == 0
    assert batch.features.schema.equals(features_schema())


def test_what_the_listing_rejected_is_not_read() -> None:
    def never(path: str) -> bytes:
        raise AssertionError("nothing to read")

    refs = [PhotoRef("p\\xeache.jpg", None, 7, NOW, Reason.BAD_NAME, "not valid UTF-8")]
    (row,) = rows_of(refs, read=never)
    assert (row["reason"], row["detail"], row["bytes"]) == ("bad_name", "not valid UTF-8", 7)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError("odd")])
def test_a_file_that_cannot_be_read_this_time_costs_no_other(error: OSError) -> None:
    def fail(path: str) -> bytes:
        if path == "1.jpg":
            raise error
        return read(path)

    rows = rows_of(references(["0.jpg", "1.jpg", "2.jpg"]), read=fail)
    assert [row.get("reason") for row in rows] == [None, "unavailable", None]
    assert rows[1]["detail"] in ("Permission denied", "OSError")
    assert all(len(row["features"]) == FEATURES for row in (rows[0], rows[2]))


def test_the_limit_on_pixels_is_the_embedder_s() -> None:
    data = encoded(corners(40, 40), "PNG")
    (row,) = rows_of(references(["0.jpg"]), read=lambda _path: data, max_pixels=1599)
    assert row["reason"] == "too_large"


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(st.sampled_from([*BAD, *(f"{n}.jpg" for n in range(len(GOOD)))]), max_size=40),
    known=st.sets(st.integers(0, len(GOOD) - 1)),
    batch_size=st.integers(1, 9),
)
def test_what_is_known_is_not_made_again(
    names: list[str], known: set[int], batch_size: int
) -> None:
    """Rows are the same, in the same order; the network sees no photo whose bytes are known."""
    refs, fake = references(names), Fake()
    before = {row["sha256"]: row for row in rows_of(references([f"{n}.jpg" for n in known]))}

    def recall(sha256: bytes) -> Made | None:
        if sha256 not in before:
            return None
        row = {name: before[sha256][name] for name in content_columns()}
        return Made(np.array(row.pop("features"), np.float32), row)

    some = list(embed(refs, embedder(batch_size), read, fake, recall=recall))
    made = [row for batch in some for row in batch.features.to_pylist()]
    assert made == [row for row in rows_of(refs) if "features" in row]
    reused = sum(name in {f"{n}.jpg" for n in known} for name in names)
    assert sum(batch.reused for batch in some) == reused
    assert sum(fake.batches) == len(made) - reused


def test_a_file_with_too_many_bytes_is_not_read_and_costs_no_other() -> None:
    def only_small(path: str) -> bytes:
        assert path != "huge.jpg"
        return read(path)

    refs = references(["0.jpg", "huge.jpg", "2.jpg"])
    refs[1] = refs[1]._replace(bytes=12 * 10**9)
    rows = [
        row
        for tables in embed(refs, embedder(), only_small, Fake())
        for batch in tables[:2]
        for row in batch.to_pylist()
    ]
    reasons = {row["path"]: row.get("reason") for row in rows}
    assert reasons == {"0.jpg": None, "huge.jpg": "too_large", "2.jpg": None}


def test_bytes_that_the_listing_did_not_tell_count_too() -> None:
    (row,) = rows_of(references(["0.jpg"]), read=lambda _path: bytes(2001), max_bytes=2000)
    assert (row["reason"], row["detail"]) == ("too_large", "2001 bytes; --max-bytes is 2000")


def test_a_network_that_fails_fails_the_whole() -> None:
    def fail(photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        list(embed(references(["0.jpg"]), embedder(), read, fail))


def test_counts_are_told_as_they_grow_and_end_exact() -> None:
    told: list[tuple[int, int]] = []
    names = MIXED * 10
    list(embed(references(names), embedder(2), read, Fake(), lambda *n: told.append(n)))
    assert told[-1] == (50, 40)
    assert told == sorted(told)
    assert len(told) > 20
    told.clear()
    list(embed(references(["text.jpg"] * 200), embedder(), read, Fake(), lambda *n: told.append(n)))
    assert told[-1] == (0, 200)
    assert len(told) > 2  # rejects alone are told as they come, too


def test_no_more_is_read_ahead_than_is_allowed() -> None:
    taken = 0

    def feed() -> Iterator[PhotoRef]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield PhotoRef("0.jpg", None, READ_AHEAD_BYTES // 4, NOW)

    batches = embed(feed(), embedder(1), read, Fake())
    first = next(batches)
    (given,) = sizes_of([first])
    # Rows given, decoded ahead (8 at most), 4 in reading, and one that waits for room.
    assert taken <= given + 8 + 4 + 2
    batches.close()  # type: ignore[attr-defined]
    assert taken <= given + READ_AHEAD_PHOTOS


def test_as_many_photos_are_read_at_once_as_asked_for() -> None:
    begun = threading.Barrier(40, timeout=20)  # broken unless forty are being read at once

    def meet(path: str) -> bytes:
        begun.wait()
        return read(path)

    refs = references(["0.jpg"] * 80)
    (first, second) = embed(refs, embedder(8), meet, Fake(), reads_at_once=40)
    assert sizes_of([first, second]) == [64, 16]
    assert len(first.features) + len(second.features) == 80
