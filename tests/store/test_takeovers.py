"""A run that stood still past its lease goes on beside the one that took its lock over.

Wherever it stood still, and however late what it had asked for arrives: the other run's state is
whole, and stays so.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from faults import Faults, faulty
from verger.errors import StoreError
from verger.storage import limits
from verger.storage.bucket import Bucket
from verger.store.layout import FEATURES, MATRIX, MATRIX_CSV, PROJECTION, REJECTS
from verger.store.manifest import listed_in, missized
from verger.store.publication import Publication
from verger.store.store import Store
from verger.store.work import Work
from verger.verify.kept import of_history

if TYPE_CHECKING:
    from seaweed import S3

MADE_BY = "made-by"
TABLES = (FEATURES, REJECTS, MATRIX, PROJECTION)


def build(work: Work, content: str) -> Publication:
    """Build what a run publishes: names of its own, and names that all runs share.

    Runs differ in which of the shared names they have, so that what one deletes another makes.
    """
    parts = [f"{work.parts}/{FEATURES}/part-{work.run}-{n}.parquet" for n in range(2)]
    folders = {
        FEATURES: parts,
        REJECTS: [work.built(f"{REJECTS}/part-{work.run}.parquet")],
        MATRIX: [work.built(f"{MATRIX}/part-{work.run}.parquet")],
        PROJECTION: [work.built(f"{PROJECTION}/pca.json")],
    }
    csv = None
    if content != "late":
        folders[PROJECTION].append(work.built(f"{PROJECTION}/discriminant.json"))
        csv = work.built(MATRIX_CSV)
    for path in [*(file for files in folders.values() for file in files), *filter(None, [csv])]:
        work.place.put(path, content.encode())
    return Publication(folders, {MATRIX_CSV: csv})


def publish(store: Store, content: str, ready: Callable[[], None] = lambda: None) -> None:
    with store.working(MADE_BY) as work:
        publication = build(work, content)
        names = sorted(
            [
                f"{folder}/{file.rpartition('/')[2]}"
                for folder, files in publication.folders.items()
                for file in files
            ]
            + [name for name, source in publication.files.items() if source]
        )
        ready()
        store.publish(work, {"content": content, "names": names}, publication)


def whole(store: Store) -> str:
    """Check that the STORE is whole, and return which run it is."""
    place, record = store.place, store.record()
    assert record is not None
    found = {path: place.read(path).decode() for name in TABLES for path in place.files(name)}
    if place.exists(MATRIX_CSV):
        found[MATRIX_CSV] = place.read(MATRIX_CSV).decode()
    assert sorted(found) == record["names"]
    assert set(found.values()) == {record["content"]}
    files = listed_in(record)
    assert list(of_history(store, record, files)) == []
    assert missized(place, files) == []
    return str(record["content"])


@dataclass
class Late:
    """A run in a thread of its own, and how it ended."""

    store: Store
    ready: Callable[[], None]
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            publish(self.store, "late", self.ready)
        except BaseException as error:  # noqa: BLE001 - looked at below
            self.error = error

    def check_ended(self) -> None:
        self.thread.join(120)
        assert not self.thread.is_alive()
        if self.error is not None:
            assert isinstance(self.error, StoreError), self.error
            assert "Another run took over" in str(self.error)


# In a folder --------------------------------------------------------------------------------------


class Gated:
    """A place whose n-th call waits to be let go; all others pass."""

    def __init__(self, place: Any, hold: int) -> None:
        self._place, self._left = place, hold
        self.open = False
        self.held, self.go = threading.Event(), threading.Event()

    def __str__(self) -> str:
        return str(self._place)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._place, name)
        if not callable(found) or name == "lock":
            return found

        def call(*arguments: Any) -> Any:
            if self.open:
                self._left -= 1
                if self._left == -1:
                    self.held.set()
                    assert self.go.wait(120)
            return found(*arguments)

        return call


def gated(root: Path, hold: int) -> tuple[Store, Gated]:
    store = Store(root)
    gate = Gated(store.place, hold)
    store.place = gate  # type: ignore[assignment]
    return store, gate


@pytest.mark.slow
def test_in_a_folder_at_every_step(in_memory: Path) -> None:
    """Its lock is the system's and does not lapse; but somebody may delete the file."""
    step, published = 0, []
    while True:
        root = in_memory / str(step)
        publish(Store(root), "old")
        store, gate = gated(root, step)
        late = Late(store, lambda gate=gate: setattr(gate, "open", True))  # type: ignore[misc]
        while late.thread.is_alive() and not gate.held.wait(0.01):
            pass
        if not gate.held.is_set():
            break
        with pytest.raises(StoreError, match="Another run is writing"):
            publish(Store(root), "new")
        (root / ".verger" / "lock").unlink()
        publish(Store(root), "new")
        assert whole(Store(root)) == "new"
        gate.go.set()
        late.check_ended()
        assert whole(Store(root)) == "new", step
        assert not (root / ".verger" / "publish.json").exists()
        published.append(late.error is None)
        step += 1
    late.check_ended()
    assert whole(Store(root)) == "late"
    # First it publishes nothing; once it has decided, it is the other one that does the rest.
    assert step > 25
    assert published == sorted(published)
    assert published.count(False) > 5
    assert published.count(True) > 5


@pytest.mark.slow
def test_in_a_folder_two_runs_step_by_step_in_any_order(in_memory: Path) -> None:
    """The one that took over is held up, too, and goes on when the late one has ended."""
    rng = random.Random(20)  # noqa: S311
    for number in range(50):
        root = in_memory / str(number)
        publish(Store(root), "old")
        store, gate = gated(root, rng.randrange(45))
        late = Late(store, lambda gate=gate: setattr(gate, "open", True))  # type: ignore[misc]
        while late.thread.is_alive() and not gate.held.wait(0.01):
            pass
        if gate.held.is_set():
            (root / ".verger" / "lock").unlink()
        store, other = gated(root, rng.randrange(60))
        other.open = True
        new = threading.Thread(target=publish, args=(store, "new"))
        new.start()
        while new.is_alive() and not other.held.wait(0.01):
            pass
        gate.go.set()
        late.check_ended()
        other.go.set()
        new.join(120)
        assert whole(Store(root)) == "new", number


# In a bucket --------------------------------------------------------------------------------------

BEATS = "PUT [^ ]*/lock$"  # held with all else, but not counted


def in_bucket(s3: S3, url: str) -> Store:
    store = Store(url)
    store.place = Bucket(url, StoreError, tuple(sorted(s3.environment().items())))
    return store


def take_over(store: Store, ready: Callable[[], None] = lambda: None) -> None:
    """Publish as soon as the other one's lease has lapsed."""
    until = time.monotonic() + 120
    while True:
        try:
            publish(store, "new", ready)
        except StoreError as error:
            if "Another run is writing" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def interleave(s3: S3, url: str, hold: Faults, then: Faults | None = None) -> str | None:
    """Hold a run at one of its requests past its lease, then let it go; say how it ended.

    The one that takes over is held, too, if that is said, and let go when the late one has ended.
    None where the first made no so many requests.
    """
    direct = in_bucket(s3, url)
    publish(direct, "old")
    with faulty(s3.endpoint) as proxy, faulty(s3.endpoint) as other:
        late = Late(in_bucket(s3.behind(proxy.endpoint), url), lambda: proxy.set(hold))
        while late.thread.is_alive() and not proxy.counts()["held"]:
            time.sleep(0.02)
        if not late.thread.is_alive():
            late.check_ended()
            assert whole(direct) == "late"
            return None
        if then is None:
            take_over(direct)
            assert whole(direct) == "new"
            proxy.let_go()
            late.check_ended()
        else:
            beside = in_bucket(s3.behind(other.endpoint), url)
            with ThreadPoolExecutor(1) as thread:
                new = thread.submit(take_over, beside, lambda: other.set(then))
                while not new.done() and not other.counts()["held"]:
                    time.sleep(0.02)
                proxy.let_go()
                late.check_ended()
                other.let_go()
                new.result()
    assert whole(direct) == "new", (hold, then)
    assert not direct.place.exists(".verger/publish.json")
    return "nothing" if late.error is not None else "published"


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A bucket whose leases last for two seconds."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(limits, "BEAT", 0.3)
    monkeypatch.setattr(limits, "LAPSE", 2.0)
    name = "takeovers-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    s3.make_bucket(name)
    return f"s3://{name}"


@pytest.mark.long
@pytest.mark.parametrize("late_answer", [False, True])
def test_in_a_bucket_at_every_step(s3: S3, bucket: str, late_answer: bool) -> None:
    def at(step: int) -> str | None:
        faults = Faults(hold=step, late=late_answer, uncounted=BEATS)
        return interleave(s3, f"{bucket}/{step}", faults)

    ended: list[str | None] = []
    with ThreadPoolExecutor(8) as threads:  # which mostly wait
        while None not in ended:
            ended += threads.map(at, range(len(ended), len(ended) + 8))
    known = [end for end in ended if end is not None]
    assert ended == known + [None] * (len(ended) - len(known))
    assert len(known) > 25
    assert known == sorted(known)  # nothing, and from the decision on: published
    assert known.count("nothing") > 5
    assert known.count("published") > 5


@pytest.mark.long
def test_in_a_bucket_two_runs_step_by_step_in_any_order(s3: S3, bucket: str) -> None:
    def one(seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311

        def faults() -> Faults:
            return Faults(hold=rng.randrange(70), late=rng.random() < 0.5, uncounted=BEATS)

        interleave(s3, f"{bucket}/{seed}", faults(), faults())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, range(50)))
