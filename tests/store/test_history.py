"""The history of a STORE: what `verger log` tells of its runs, and whose matrices are kept."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from verger.errors import StoreError, VergerError
from verger.storage.folder import LocalPlace
from verger.store.history import entry, path_of
from verger.store.layout import FEATURES, HISTORY, MATRIX, MATRIX_CSV, PROJECTION, RECORD, REJECTS
from verger.store.log import Logged, log, note_drift
from verger.store.publication import Publication
from verger.store.record_file import sealed
from verger.store.store import Store
from verger.store.work import as_json
from verger.verify import verify

if TYPE_CHECKING:
    from seaweed import S3

BACKBONE = {"name": "lite", "sha256": "sha", "image_size": 224, "resize_shorter_side": 256}


def a_record(number: int, keep: int | None = None) -> dict[str, Any]:
    """Describe the n-th day's run, which found n new photos."""
    return {
        "started": f"2026-11-{number:02}T05:00:00+00:00",
        "finished": f"2026-11-{number:02}T06:00:00+00:00",
        "backbone": BACKBONE,
        "settings": {"keep": keep},
        "counts": {"listed": 10 * number + 1, "embedded": 10 * number, "rejected": 1},
        "changes": {"new": number, "changed": 0, "kept": 9, "relabelled": 0, "gone": number - 1},
        "projection": {"k": 3, "explained_variance": 0.9512},
    }


def publish(
    store: Store,
    number: int,
    keep: int | None = None,
    of: str = "all",
    settings: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Publish the n-th day's run: of `all`, of `rejects` alone, or of `nothing` that is new."""
    store.claim(backbone=BACKBONE, overwrite=True)
    with store.working("made-by") as work:
        names = {
            FEATURES: [f"part-{work.run}.parquet"],
            REJECTS: [f"part-{work.run}.parquet"],
            MATRIX: [f"part-{work.run}-{n}.parquet" for n in range(2)],
            PROJECTION: ["pca.json", "pca.mean.npy"],
        }
        names = {"all": names, "rejects": {REJECTS: names[REJECTS]}, "nothing": {}}[of]
        folders = {top: [work.built(f"{top}/{name}") for name in names[top]] for top in names}
        for path in (path for files in folders.values() for path in files):
            work.place.put(path, content_of(number, path).encode())
        csv: dict[str, str | None] = {}
        if of == "all":
            csv[MATRIX_CSV] = work.built(MATRIX_CSV)
            work.place.put(work.built(MATRIX_CSV), b"csv")
        record = a_record(number, keep)
        record["settings"] |= settings or {}
        return store.publish(work, record, Publication(folders, csv))


def content_of(number: int, path: str) -> str:
    """Return what a file holds: days 5 and 6 have the same projection."""
    day = 5 if number == 6 and PROJECTION in path else number
    return f"{path.rpartition('/')[2].split('-')[0]} of day {day}"


def in_history(store: Store) -> dict[str, str]:
    """Return what lies in the history, but for the records."""
    place = store.place
    found: dict[str, str] = {}
    for folder in (f"{HISTORY}/{MATRIX}", f"{HISTORY}/{PROJECTION}"):
        found |= {path: place.read(path).decode() for path in place.files(folder)}
    return found


def days_kept(store: Store) -> list[int]:
    """Return the days whose matrices lie in the history; each has a projection there."""
    held = in_history(store)
    days = {int(text.rpartition(" ")[2]) for path, text in held.items() if MATRIX in path}
    projections = {text for path, text in held.items() if PROJECTION in path}
    assert projections == {content_of(day, f"{PROJECTION}/{name}") for day in days
                           for name in ("pca.json", "pca.mean.npy")}  # fmt: skip
    return sorted(days)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A place for a STORE: a folder, or in a bucket."""
    if request.param == "folder":
        return Store(tmp_path / "store")
    s3: S3 = request.getfixturevalue("s3")
    name = "history-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    s3.make_bucket(name)
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for variable, value in s3.environment().items():
        monkeypatch.setenv(variable, value)
    return Store(f"s3://{name}/store")


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def runs(store: Store) -> list[int | None]:
    return [one.run for one in log(store)]


def problems(store: Store) -> list[str]:
    """Name what `verify` finds that is not of tables, which are none here."""
    tables = (FEATURES, REJECTS, MATRIX, PROJECTION, "gallery")
    found = verify(store.root).findings
    return [f"{one.where} {one.what}" for one in found if one.where.split("/")[0] not in tables]


def test_a_run_is_told_with_what_it_found(store: Store) -> None:
    publish(store, 1)
    publish(store, 2)
    note_drift(store, store.whole_run(), "small")
    note_drift(store, store.whole_run(), "none")  # a later report compares the run with itself
    last, first = log(store)
    assert last == Logged(
        run=2, finished="2026-11-02T06:00:00+00:00", reduced=False, photos=20, rejected=1, k=3,
        variance=0.9512, held=False, drift="small", kept=True,
        changes={"new": 2, "changed": 0, "kept": 9, "relabelled": 0, "gone": 1}, settings={},
    )  # fmt: skip
    assert (first.run, first.photos, first.drift, first.kept) == (1, 10, None, True)


def test_two_matrices_are_kept_where_nothing_is_said(store: Store) -> None:
    for day in range(1, 5):
        record = publish(store, day)
        assert record["run"] == day
        assert record["kept"] == list(range(day, max(day - 2, 0), -1))
        assert record["settings"]["keep"] == 2
        assert days_kept(store) == list(range(max(day - 1, 1), day))
    assert runs(store) == [4, 3, 2, 1]
    assert [one.kept for one in log(store)] == [True, True, False, False]


def test_so_many_are_kept_as_is_said_and_then_as_before(folder: Store) -> None:
    for day in range(1, 4):
        publish(folder, day, keep=3)
    assert days_kept(folder) == [1, 2]
    assert publish(folder, 4)["settings"]["keep"] == 3
    assert days_kept(folder) == [2, 3]
    publish(folder, 5, keep=2, of="nothing")  # as one wants room
    assert days_kept(folder) == [3]
    publish(folder, 5, keep=1)
    assert in_history(folder) == {}
    publish(folder, 7, keep=5)
    assert days_kept(folder) == [5]
    assert problems(folder) == []


def test_a_run_that_finds_nothing_new_is_none(folder: Store) -> None:
    publish(folder, 1)
    publish(folder, 2)
    before = {path: path.read_bytes() for path in (Path(folder.root) / HISTORY).rglob("*.json")}
    record = publish(folder, 3, of="nothing")
    assert (record["run"], record["kept"], record["finished"][:10]) == (2, [2, 1], "2026-11-03")
    after = {path: path.read_bytes() for path in (Path(folder.root) / HISTORY).rglob("*.json")}
    assert before == after
    assert [one.finished[:10] for one in log(folder)] == ["2026-11-02", "2026-11-01"]


def test_runs_that_share_a_matrix_count_as_one(folder: Store) -> None:
    """New rejects alone make a run, but no matrix: they drive none out."""
    publish(folder, 1)
    publish(folder, 2)
    for day in (3, 4):
        publish(folder, day, of="rejects")
    assert folder.whole_run()["kept"] == [4, 3, 2, 1]
    assert days_kept(folder) == [1]
    publish(folder, 5)
    assert folder.whole_run()["kept"] == [5, 4, 3, 2]
    assert days_kept(folder) == [2]
    assert problems(folder) == []


def test_a_projection_that_stays_the_same_is_there_once(folder: Store) -> None:
    for day in range(4, 9):
        publish(folder, day, keep=4)
        assert problems(folder) == []
    held = [path for path in in_history(folder) if PROJECTION in path]
    assert len(held) == 4  # of days 5 and 6, and of day 7
    publish(folder, 9, keep=3)
    assert days_kept(folder) == [7, 8]


@pytest.mark.parametrize("size", [0, 2**20 + 1])
def test_a_matrix_that_was_damaged_is_not_moved_into_the_history(
    folder: Store, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Its damage is why `verger run` makes it again; its size is what it was."""
    written = content_of
    monkeypatch.setattr(
        "store.test_history.content_of", lambda day, path: written(day, path).ljust(size)
    )
    publish(folder, 1)
    file = Path(folder.root) / folder.place.files(MATRIX)[0]
    assert file.stat().st_size >= size
    file.write_text(file.read_text().replace("day 1", "day 7"))
    assert publish(folder, 2)["kept"] == [2]
    assert days_kept(folder) == []
    assert not problems(folder)


@pytest.mark.parametrize("fault", [errno.EIO, errno.ENOSPC])
def test_a_matrix_that_the_disk_does_not_give_is_damaged_and_a_full_disk_is_no_damage(
    folder: Store, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    publish(folder, 1)
    matrix, pieces = folder.place.files(MATRIX)[0], LocalPlace.pieces

    def faulty(place: LocalPlace, path: str) -> Iterator[bytes]:
        if path == matrix:
            raise OSError(fault, os.strerror(fault))
        return pieces(place, path)

    monkeypatch.setattr(LocalPlace, "pieces", faulty)
    if fault == errno.EIO:
        assert publish(folder, 2)["kept"] == [2]
    else:
        with pytest.raises((OSError, VergerError)):
            publish(folder, 2)
        monkeypatch.undo()
        assert publish(folder, 2)["kept"] == [2, 1]


def test_a_run_of_which_a_file_is_missing_is_kept_no_longer(folder: Store) -> None:
    for day in range(1, 5):
        publish(folder, day, keep=9)
    place = folder.place
    lost = [path for path, text in in_history(folder).items() if text == "part of day 2"]
    place.delete(lost[0])
    place.delete(place.files(MATRIX)[0])
    assert publish(folder, 5)["kept"] == [5, 3, 1]
    assert days_kept(folder) == [1, 3]
    assert problems(folder) == []


def test_what_is_wrong_in_the_history_is_found(folder: Store) -> None:
    for day in range(1, 5):
        publish(folder, day, keep=4)
    root = Path(folder.root)
    matrices = sorted((root / HISTORY / MATRIX).iterdir())
    of_day = {path.read_text()[-1]: path for path in matrices}
    of_day["1"].unlink()
    of_day["2"].write_text(of_day["2"].read_text().upper())
    (root / HISTORY / PROJECTION / "stray").write_text("x")
    (root / path_of(3)).unlink()
    found = problems(folder)
    assert sorted(found) == sorted(
        [
            f"{HISTORY}/{MATRIX}/{of_day['1'].name} is missing",
            f"{HISTORY}/{MATRIX}/{of_day['2'].name} is not what the run wrote: its SHA-256 differs",
            f"{HISTORY}/{PROJECTION}/stray is of no run that is kept",
            f"{path_of(3)} is missing",
            # and so what was kept of that run is of none
            *(
                f"{path.relative_to(root)} is of no run that is kept"
                for path in (root / HISTORY).glob("*/*")
                if path.read_text().endswith("day 3")
            ),
        ]
    )
    of_day["2"].unlink()  # as the remedy says
    publish(folder, 5)
    assert problems(folder) == []
    assert days_kept(folder) == [4]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", None])
def test_a_record_that_is_damaged_is_left_out_and_told(
    folder: Store, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    for day in range(1, 4):
        publish(folder, day)
    file = Path(folder.root) / path_of(2)
    file.write_text(file.read_text().replace("0.9512", "0.9999") if text is None else text)
    with caplog.at_level(logging.WARNING):
        assert runs(folder) == [3, 1]
    assert f"{path_of(2)} " in caplog.text
    (found,) = [one for one in problems(folder) if path_of(2) in one]
    assert "run record" in found or "was changed" in found
    file.unlink()
    assert publish(folder, 4)["kept"] == [4, 3]
    assert problems(folder) == []


def older(store: Store) -> None:
    """Make a STORE what an older Verger left: without a history."""
    record = json.loads(store.place.read(RECORD))
    del record["run"], record["kept"], record["settings"]["keep"]
    store.place.put(RECORD, as_json(sealed(record)))
    store.place.delete(HISTORY)


def test_a_store_of_before_has_one_run_which_is_the_first_of_its_history(store: Store) -> None:
    publish(store, 1)
    older(store)
    assert [(one.run, one.photos, one.kept) for one in log(store)] == [(None, 10, False)]
    assert "run" not in publish(store, 2, of="nothing")
    assert runs(store) == [None]
    record = publish(store, 3)
    assert (record["run"], record["kept"]) == (2, [2, 1])
    assert [(one.run, one.kept) for one in log(store)] == [(2, True), (1, True)]
    assert days_kept(store) == [1]


def test_a_run_of_an_older_verger_in_between_is_one_of_the_history(folder: Store) -> None:
    publish(folder, 1)
    publish(folder, 2)
    record = json.loads(folder.place.read(RECORD))
    del record["run"], record["kept"], record["settings"]["keep"]
    folder.place.put(RECORD, as_json(sealed(record)))
    assert runs(folder) == [None, 2, 1]
    assert publish(folder, 3)["kept"] == [4, 3]
    assert runs(folder) == [4, 3, 2, 1]
    assert problems(folder) == []


def test_a_record_of_before_without_checksums_keeps_no_matrix(folder: Store) -> None:
    publish(folder, 1)
    record = json.loads(folder.place.read(RECORD))
    del record["manifest"], record["run"], record["kept"], record["sha256"]
    folder.place.put(RECORD, as_json(record))
    folder.place.delete(HISTORY)
    assert publish(folder, 2)["kept"] == [2]
    assert in_history(folder) == {}
    assert [(one.run, one.kept) for one in log(folder)] == [(2, True), (1, False)]


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["manifest"].update({"../x": {"bytes": 1, "sha256": "0" * 64}}),
        lambda record: record["manifest"].update(
            {f"{PROJECTION}/x": {"bytes": 1, "sha256": "../../../thesis.txt"}}
        ),
        lambda record: record.update(manifest=[]),
        lambda record: record.update(run="1"),
        lambda record: record.update(run=99),
    ],
)
def test_a_record_of_a_stranger_leads_nowhere(
    folder: Store, change: Callable[[dict[str, Any]], None]
) -> None:
    mine = Path(folder.root).parent / "thesis.txt"
    mine.write_text("years of work")
    publish(folder, 1)
    publish(folder, 2)
    file = Path(folder.root) / path_of(1)
    record = json.loads(file.read_text())
    change(record)
    file.write_bytes(as_json(sealed(record)))
    log(folder)
    verify(folder.root)
    assert publish(folder, 3)["kept"] == [3, 2]
    assert mine.read_text() == "years of work"
    assert days_kept(folder) == [2]


def test_the_log_changes_nothing_and_asks_to_wait_while_a_run_publishes(folder: Store) -> None:
    with pytest.raises(StoreError, match="No finished run in"):
        log(folder)
    publish(folder, 1)
    root = Path(folder.root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    log(folder)
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    (root / ".verger" / "publish.json").write_text("{}")
    with pytest.raises(StoreError, match="is putting its files into place"):
        log(folder)


def test_the_records_of_the_history_are_those_of_the_runs(folder: Store) -> None:
    record = publish(folder, 1)
    found = entry(folder.place, 1)
    assert isinstance(found, dict)
    parts = {MATRIX, PROJECTION}
    files = {path: c for path, c in record["manifest"].items() if path.split("/")[0] in parts}
    left_out = {"manifest", "sha256", "kept"}
    assert found["manifest"] == files
    for name in record.keys() - left_out:
        assert found[name] == record[name]
