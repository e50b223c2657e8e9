"""Photos that are moved, copied or touched are not embedded again; the result is a fresh STORE's.

A history is drawn by a seed, in a folder and in a bucket; each of its steps is compared with a
STORE that is made from nothing.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pictures import encoded, smooth
from seaweed import S3
from verger.pipeline import plan, run
from verger.settings import RunSettings
from verger.store.log import log
from verger.store.store import Store
from verger.store.summary import planned
from verger.verify import verify

SEED = int(os.environ.get("VERGER_MOVES_SEED", "7"))
HERE = RunSettings(engine="process", report=False, cores=2, components="3", csv=False)


class Photos:
    """A folder of photos that are changed, and which of them a run has to open."""

    def __init__(self, root: Path, seed: int = SEED) -> None:
        self.root, self.random = root, random.Random(seed)  # noqa: S311 - a history, no secret
        self.made = self.moment = 0
        self.opened: set[Path] = set()
        for label in ("apple", "pear", "plum"):
            for _ in range(4):
                self.add(label)

    def all(self) -> list[Path]:
        return sorted(self.root.rglob("*.jpg"))

    def any(self) -> Path:
        return self.random.choice(self.all())

    def name(self, folder: Path) -> Path:
        """Name a photo that there was not yet."""
        self.made += 1
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.random.randrange(100):02d} {self.made}.jpg"

    def note(self, *files: Path) -> None:
        """Remember that these are new or others, of a moment that no photo was of."""
        for file in files:
            self.moment += 1
            os.utime(file, (10**9 + self.moment, 10**9 + self.moment))
            self.opened.add(file)

    def add(self, label: str = "quince") -> None:
        file = self.name(self.root / label)
        file.write_bytes(encoded(smooth(30 + self.made, 24, seed=self.made), "JPEG"))
        self.note(file)

    def move(self) -> None:
        file, to = self.any(), self.name(self.any().parent)
        file.rename(to)
        self.opened.add(to)

    def copy(self) -> None:
        to = self.name(self.any().parent)
        shutil.copyfile(self.any(), to)
        self.note(to)

    def touch(self) -> None:
        self.note(self.any())

    def swap(self) -> None:
        one, two = self.any(), self.any()
        if one != two:
            between = one.with_suffix(".tmp")
            one.rename(between)
            two.rename(one)
            between.rename(two)
            self.note(one, two)

    def change(self) -> None:
        file = self.any()
        self.made += 1
        file.write_bytes(encoded(smooth(30 + self.made, 24, seed=self.made), "JPEG"))
        self.note(file)

    def spoil(self) -> None:
        file = self.any()
        file.write_bytes(file.read_bytes()[:200])
        self.note(file)

    def drop(self) -> None:
        self.any().unlink()

    def rename_folder(self) -> None:
        folder = self.any().parent
        self.made += 1
        to = folder.with_name(f"folder {self.made}")
        folder.rename(to)
        self.opened.update(to.rglob("*.jpg"))

    def live(self) -> None:
        """Have a day pass."""
        days: list[Callable[[], None]] = [
            self.add, self.move, self.copy, self.touch, self.swap, self.change, self.spoil,
            self.drop, self.rename_folder,
        ]  # fmt: skip
        for what in self.random.choices(days, k=5):
            what()

    def reused(self, store: pa.Table | None) -> int:
        """Count the photos to open whose bytes a STORE knows."""
        known = set(store["sha256"].to_pylist()) if store is not None else set()
        opened = [file for file in self.opened if file.exists()]
        return sum(hashlib.sha256(file.read_bytes()).digest() in known for file in opened)


def features(store: str) -> pa.Table:
    place = Store(store).place
    tables = [pq.read_table(place.open(file)) for file in Store(store).table("features")]
    return pa.concat_tables(tables).sort_by("path")


def components(store: str) -> Any:
    place = Store(store).place
    tables = [pq.read_table(place.open(file)) for file in Store(store).table("matrix")]
    rows = pa.concat_tables(tables)
    return np.stack(rows["components"].to_numpy())


def assert_as_fresh(store: str, fresh: str) -> None:
    """Compare the features bit for bit, and the matrix but for rounding."""
    mine, theirs = features(store), features(fresh)
    assert mine.schema.equals(theirs.schema)
    assert mine.equals(theirs)
    np.testing.assert_allclose(components(store), components(fresh), atol=1e-4)
    assert verify(store).findings == []


@pytest.mark.slow
def test_a_history_in_a_folder(tmp_path: Path) -> None:
    photos, store = Photos(tmp_path / "photos"), str(tmp_path / "store")
    print(f"VERGER_MOVES_SEED={SEED}")  # noqa: T201
    before, reused = None, 0
    for day in range(6):
        expected = photos.reused(before)
        record = run(photos.root, store, HERE).record
        assert record["changes"]["reused"] == expected
        assert record["changes"]["new"] + record["changes"]["changed"] >= expected
        photos.opened.clear()
        run(photos.root, tmp_path / f"fresh {day}", HERE)
        assert_as_fresh(store, str(tmp_path / f"fresh {day}"))
        before, reused = features(store), reused + expected
        photos.live()
    assert reused > 5


@pytest.mark.slow
def test_a_history_in_a_bucket(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    bucket = s3.make_bucket("moves")
    photos, store = Photos(tmp_path / "photos", SEED + 1), "s3://moves/store"
    there: dict[str, bytes] = {}
    before, reused = None, 0
    for day in range(3):
        now = {str(f.relative_to(photos.root)): f.read_bytes() for f in photos.all()}
        for path in there.keys() - now.keys():
            obstore.delete(bucket, f"photos/{path}")
        touched = {str(f.relative_to(photos.root)) for f in photos.opened}
        for path in now:
            if path in touched or there.get(path) != now[path]:
                obstore.put(bucket, f"photos/{path}", now[path])
        there = now
        expected = photos.reused(before)
        record = run("s3://moves/photos", store, HERE).record
        assert record["changes"]["reused"] == expected
        photos.opened.clear()
        fresh = f"s3://moves/fresh-{day}"
        run("s3://moves/photos", fresh, HERE)
        assert_as_fresh(store, fresh)
        before, reused = features(store), reused + expected
        photos.live()
        photos.rename_folder()
    assert reused > 5


@pytest.mark.spark
@pytest.mark.any_spark
@pytest.mark.usefixtures("spark")
def test_tasks_of_spark_reuse_as_well(tmp_path: Path) -> None:
    photos, store = Photos(tmp_path / "photos"), tmp_path / "store"
    there = replace(HERE, engine="spark", cores=None)
    run(photos.root, store, there)
    photos.opened.clear()
    photos.rename_folder()
    photos.add()
    expected = photos.reused(features(str(store)))
    assert run(photos.root, store, there).record["changes"]["reused"] == expected == 4
    run(photos.root, tmp_path / "fresh", HERE)
    assert_as_fresh(str(store), str(tmp_path / "fresh"))


@pytest.mark.slow
def test_what_a_run_and_a_plan_say(tmp_path: Path) -> None:
    photos, store = Photos(tmp_path / "photos"), tmp_path / "store"
    first = run(photos.root, store, HERE).record
    assert first["changes"]["reused"] == 0
    (photos.root / "pear").rename(photos.root / "poire")
    tally = plan(photos.root, store, HERE)
    assert (tally.new, tally.gone, tally.alike) == (4, 4, 4)
    assert "Of these, 4 are the size of one embedded before" in planned(tally)
    record = run(photos.root, store, HERE).record
    assert (record["changes"]["new"], record["changes"]["reused"]) == (4, 4)
    assert record["photos_per_second"] == 0
    assert log(Store(store))[0].changes["reused"] == 4
    assert set(features(str(store))["label"].to_pylist()) == {"apple", "poire", "plum"}
    anew = run(photos.root, store, replace(HERE, overwrite=True)).record
    assert (anew["changes"]["new"], anew["changes"]["reused"]) == (12, 0)
