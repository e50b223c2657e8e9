"""`verger checkout`: the matrix of an earlier run, whole or not at all, and STORE as it was."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from store.test_history import content_of, folder, in_history, older, publish, store
from verger.errors import StoreError, UsageError, VergerError
from verger.storage.folder import LocalPlace
from verger.store.checkout import checkout, moment
from verger.store.history import entry, path_of
from verger.store.layout import HISTORY, MATRIX, PROJECTION, RECORD
from verger.store.manifest import listed_in, looked_over
from verger.store.record_file import is_as_written
from verger.store.store import Store
from verger.store.work import as_json
from verger.verify import verify

__all__ = ["folder", "store"]  # fixtures


def written(to: Path) -> int:
    """Check that a folder holds one run, whole, and nothing else; return its day."""
    record = json.loads((to / RECORD).read_text())
    day = int(record["finished"][8:10])
    assert is_as_written(record)
    assert looked_over(LocalPlace(to), listed_in(record), [MATRIX, PROJECTION]) == []
    found = {str(path.relative_to(to)): path for path in to.rglob("*") if path.is_file()}
    assert found.keys() == {*record["manifest"], RECORD}
    for path in record["manifest"]:
        assert found[path].read_text() == content_of(day, path)
    assert len(record["manifest"]) == 4
    return day


def refusal(store: Store, to: Path, *which: Any) -> str:
    """Return why nothing was written; nothing is left, and STORE is as it was."""
    before = sorted(to.iterdir()) if to.is_dir() else None
    with pytest.raises(VergerError) as caught:
        checkout(store, to, *which)
    assert (sorted(to.iterdir()) if to.is_dir() else None) == before
    return str(caught.value)


def test_what_is_kept_is_written_and_what_is_not_is_told(store: Store, tmp_path: Path) -> None:
    for day in range(1, 5):
        publish(store, day, keep=3)
    for day in (4, 3, 2):
        made = checkout(store, tmp_path / str(day), day)
        assert written(tmp_path / str(day)) == made.run == day
        assert (made.files, made.finished[:10]) == (4, f"2026-11-{day:02}")
    told = refusal(store, tmp_path / "1", 1)
    assert f"The matrix of run 1 is no longer kept in {store.root}; kept: 4, 3, 2." in told
    assert "has no run 5. It has runs 1 to 4" in refusal(store, tmp_path / "5", 5)
    assert verify(store.root).files == len(listed_in(store.whole_run())) + 8


def test_nothing_in_store_is_changed(folder: Store, tmp_path: Path) -> None:
    for day in range(1, 4):
        publish(folder, day)
    root = Path(folder.root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    checkout(folder, tmp_path / "2", 2)
    refusal(folder, tmp_path / "1", 1)
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("when", "day"),
    [
        ("2026-11-03", 3),
        ("2026-11-03T06:00", 3),
        ("2026-11-03T05:59:59", 2),
        ("2026-11-03T06:30+01:00", 2),
        ("2026-11-03T06:00Z", 3),
        ("2126-01-01", 4),
    ],
)
def test_the_last_run_by_a_date(folder: Store, tmp_path: Path, when: str, day: int) -> None:
    for each in range(1, 5):
        publish(folder, each, keep=4)
    publish(folder, 9, of="nothing")
    assert checkout(folder, tmp_path / "to", as_of=moment(when)).run == day
    assert written(tmp_path / "to") == day


def test_before_the_first_run(folder: Store, tmp_path: Path) -> None:
    for day in range(3, 5):
        publish(folder, day)
    told = refusal(folder, tmp_path / "to", None, moment("2026-11-02"))
    assert "had no run yet by 2026-11-02 23:59 UTC. The first known run ended 2026-11-03" in told


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-11-28T25:00", "1"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(UsageError, match="is not a date"):
        moment(text)


def test_a_date_without_a_zone_is_in_utc() -> None:
    assert moment("2026-11-28T06:00") == dt.datetime(2026, 11, 28, 6, tzinfo=dt.UTC)
    assert moment("9999-12-31").tzinfo is dt.UTC


def test_an_output_is_new_or_empty_and_elsewhere(folder: Store, tmp_path: Path) -> None:
    publish(folder, 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    checkout(folder, tmp_path / "empty", 1)
    checkout(folder, tmp_path / "new" / "deep", 1)
    assert written(tmp_path / "empty") == written(tmp_path / "new" / "deep") == 1
    (tmp_path / "link").symlink_to(folder.root)
    refused = {
        tmp_path / "full": "is not empty",
        tmp_path / "empty": "is not empty",
        tmp_path / "full" / "thesis.txt": "thesis.txt is a file",
        tmp_path / "full" / "thesis.txt" / "x": "thesis.txt is a file",
        Path(folder.root) / "x": "is inside STORE",
        tmp_path / "link" / "x": "is inside STORE",
    }
    for output, why in refused.items():
        assert why in refusal(folder, output, 1)
    with pytest.raises(UsageError, match="is not a folder of this machine"):
        checkout(folder, "s3://bucket/folder", 1)


@pytest.mark.parametrize("run", [2, 3])
@pytest.mark.parametrize("part", [MATRIX, PROJECTION])
@pytest.mark.parametrize("damage", ["gone", "other"])
def test_a_file_that_is_damaged_is_told(
    folder: Store, tmp_path: Path, run: int, part: str, damage: str
) -> None:
    for day in range(1, 4):
        publish(folder, day)
    root = Path(folder.root)
    file = sorted((root / part if run == 3 else root / HISTORY / part).iterdir())[-1]
    content = file.read_text()
    file.unlink()
    if damage == "other":
        file.write_text(content.upper())
    what = {"gone": "is missing", "other": "is not what the run wrote"}[damage]
    told = refusal(folder, tmp_path / "to", run)
    assert f"{root}/{file.relative_to(root)} {what}" in told
    assert not (tmp_path / "to").exists()


def test_a_run_whose_record_is_gone(folder: Store, tmp_path: Path) -> None:
    for day in range(1, 4):
        publish(folder, day)
    (Path(folder.root) / path_of(2)).unlink()
    assert f"{path_of(2)} is missing. Restore a copy" in refusal(folder, tmp_path / "to", 2)
    (Path(folder.root) / path_of(3)).unlink()  # of the present run there is another
    checkout(folder, tmp_path / "to", 3)
    assert written(tmp_path / "to") == 3


def test_a_store_of_before(store: Store, tmp_path: Path) -> None:
    publish(store, 1)
    older(store)
    assert "has no run 1. An older Verger wrote this STORE" in refusal(store, tmp_path / "1", 1)
    assert checkout(store, tmp_path / "now", as_of=moment("2026-12-01")).run is None
    assert written(tmp_path / "now") == 1
    publish(store, 2)
    checkout(store, tmp_path / "1", 1)
    assert written(tmp_path / "1") == 1


def test_a_record_of_before_without_checksums(folder: Store, tmp_path: Path) -> None:
    publish(folder, 1)
    older(folder)
    record = json.loads(folder.place.read(RECORD))
    del record["manifest"], record["sha256"]
    folder.place.put(RECORD, as_json(record))
    told = refusal(folder, tmp_path / "1", None, moment("2026-12-01"))
    assert (
        "was made by an older Verger, which did not list its files. `verger reduce STORE`" in told
    )


def test_no_run_at_all(tmp_path: Path) -> None:
    assert "No finished run in" in refusal(Store(tmp_path / "nothing"), tmp_path / "to", 1)


def test_a_disk_that_is_full_leaves_nothing(
    folder: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, 1)
    monkeypatch.setattr(LocalPlace, "put", _full)
    told = refusal(folder, tmp_path / "to", 1)
    assert f"The disk of {tmp_path / 'to'}/{RECORD} is full" in told
    assert not (tmp_path / "to").exists()


def _full(place: LocalPlace, path: str, _: bytes) -> None:
    raise OSError(28, "No space left on device", f"{place}/{path}")


# While a run publishes ----------------------------------------------------------------------------


def publishes_amid(store: Store, monkeypatch: pytest.MonkeyPatch, at: int, day: int) -> None:
    """Have a run publish, once, as the n-th file is about to be read."""
    kind, pieces, left = type(store.place), type(store.place).pieces, [at]

    def read(place: Any, path: str) -> Iterator[bytes]:
        left[0] -= 1
        if left[0] == 0:
            publish(store, day)
        yield from pieces(place, path)

    monkeypatch.setattr(kind, "pieces", read)


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_the_present_run_is_whole_though_another_takes_its_place(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    publish(store, 1)
    publish(store, 2)
    publishes_amid(store, monkeypatch, at, 3)
    checkout(store, tmp_path / "to", 2)
    assert written(tmp_path / "to") == 2
    assert store.whole_run()["run"] == 3


@pytest.mark.parametrize("at", [1, 3])
def test_what_goes_meanwhile_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    publish(store, 1)
    publish(store, 2)
    publishes_amid(store, monkeypatch, at, 3)
    assert "The matrix of run 1 is no longer kept" in refusal(store, tmp_path / "to", 1)
    assert not (tmp_path / "to").exists()


def read_until(ended: threading.Event, root: str, folder: Path) -> set[str]:
    """Check out one run after the other; say what came of it."""
    outcomes, number = set(), 0
    while not ended.is_set():
        number += 1
        store, to = Store(root), folder / str(number)
        try:
            run = store.run_as_it_is()["run"]
            checkout(store, to, max(run - number % 3, 1))
        except StoreError as error:
            outcome = re.search("no longer kept|is putting its files", str(error))
            outcomes.add(outcome.group() if outcome else str(error))
        else:
            outcomes.add(f"{run - written(to)} before")
    return outcomes


@pytest.mark.slow
def test_readers_beside_a_run_a_moment(in_memory: Path) -> None:
    """Whatever is read while runs come and go is one run, whole, or a line says why not."""
    store, ended = Store(in_memory / "store"), threading.Event()
    publish(store, 1)
    with ThreadPoolExecutor(2) as threads:
        folders = [in_memory / "one", in_memory / "two"]
        readers = [threads.submit(read_until, ended, store.root, folder) for folder in folders]
        for day in range(2, 31):
            publish(store, day)
        ended.set()
    outcomes = set.union(*(reader.result() for reader in readers))
    assert {"0 before", "1 before"} < outcomes
    assert outcomes <= {"0 before", "1 before", "no longer kept", "is putting its files"}
    for to in in_memory.glob("*/[0-9]*"):
        written(to)
    assert isinstance(entry(store.place, 30), dict)
    assert len(in_history(store)) == 4
