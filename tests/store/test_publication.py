"""A publication that was cut short is completed from what its journal names, or not at all."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from store.test_store import (
    MADE_BY,
    claim,
    contents,
    mark,
    publish,
    publish_first,
    whole,
)
from verger.errors import StoreError
from verger.storage.folder import LocalPlace
from verger.store.layout import FEATURES, HISTORY, JOURNAL, MATRIX, RECORD
from verger.store.store import Store


class Stopped(BaseException):
    """What ends a run as a kill does, but for what is unwound."""


def cut_short(store: Store, monkeypatch: pytest.MonkeyPatch, moves: int) -> None:
    """Publish, and stop when so many files were moved once that was decided."""
    with monkeypatch.context() as patch:
        move, left = LocalPlace.move, [moves]

        def moved(place: LocalPlace, path: str, to: str) -> None:
            if (mark(store) / "publish.json").exists():
                left[0] -= 1
                if left[0] < 0:
                    raise Stopped
            move(place, path, to)

        patch.setattr(LocalPlace, "move", moved)
        with pytest.raises(Stopped):
            publish(store, "new")
    assert (mark(store) / "publish.json").exists()


def sources(store: Store) -> list[Path]:
    """Name the files of the new run; what goes into the history comes from elsewhere."""
    journal = json.loads((mark(store) / "publish.json").read_text())
    built = [source for source, to in journal["moves"] if not to.startswith(HISTORY)]
    return [Path(store.root) / source for source in built]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    publish_first(store)
    return store


def test_a_journal_names_size_and_checksum_of_each_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(store, monkeypatch, 0)
    journal = json.loads((mark(store) / "publish.json").read_text())
    assert set(journal["files"]) == {to for _, to in journal["moves"]}
    new = [entry for to, entry in journal["files"].items() if not to.startswith(HISTORY)]
    assert {entry["bytes"] for entry in new} == {3}
    assert {len(entry["sha256"]) for entry in new} == {64}


@pytest.mark.parametrize("moves", [0, 1, 3])
@pytest.mark.parametrize("damage", ["gone", "all gone", "short", "other"])
def test_a_source_that_is_gone_or_another_stops_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, moves: int, damage: str
) -> None:
    """A run once published a valid record with no features: what was missing counted as moved."""
    cut_short(store, monkeypatch, moves)
    if damage == "all gone":
        shutil.rmtree(mark(store) / "work")
    else:
        file = next(path for path in sources(store) if path.exists())
        content = {"gone": None, "short": "ne", "other": "old"}[damage]
        file.unlink()
        if content is not None:
            file.write_text(content)
    before = contents(Path(store.root))
    for _ in range(2):
        with pytest.raises(StoreError, match="has gone or changed since"), store.working(MADE_BY):
            pass
        with pytest.raises(StoreError, match="has gone or changed since"):
            store.whole_run()
        assert contents(Path(store.root)) == before
    assert not (Path(store.root) / RECORD).exists()
    (mark(store) / "publish.json").unlink()  # as the hint says
    publish(store, "again")
    assert whole(store, keep=1) == "again"  # without the record before, nothing of it is kept


def test_the_last_whole_run_stays_readable_where_nothing_of_the_next_was_done(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    record = (Path(store.root) / RECORD).read_bytes()
    cut_short(store, monkeypatch, 0)
    (Path(store.root) / RECORD).write_bytes(record)  # it was decided, and no more
    sources(store)[0].unlink()
    with caplog.at_level(logging.WARNING):
        assert whole(store) == "old"
    assert "has gone or changed since" in caplog.text


@pytest.mark.parametrize("moves", [0, 2, 5])
def test_who_completes_it_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, moves: int
) -> None:
    cut_short(store, monkeypatch, moves)
    assert whole(store) == "new"
    assert [record.getMessage() for record in caplog.records] == [
        f"{store.root}: a run was stopped while putting its files into place: this is now complete."
    ]
    assert whole(store) == "new"
    assert len(caplog.records) == 1


def test_a_journal_of_before_is_carried_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names no content, and the record stands in it alone."""
    cut_short(store, monkeypatch, 2)
    file = mark(store) / "publish.json"
    journal = json.loads(file.read_text())
    old = {name: journal[name] for name in ("moves", "gone", "record")}
    file.write_text(json.dumps(old))
    assert whole(store) == "new"


def test_while_it_is_under_way_a_reader_is_told_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(store, monkeypatch, 1)
    with (
        store.place.lock(".verger/lock"),
        pytest.raises(StoreError, match="A run is putting its files into place in"),
    ):
        Store(store.root).whole_run()
    assert whole(store) == "new"


def snapshot(folder: Path) -> dict[str, tuple[Any, ...]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (info.st_ino, info.st_mtime_ns, info.st_mode, content)
    return found


@pytest.mark.parametrize(
    "name",
    [".verger", ".verger/lock", ".verger/work", ".verger/publish.json", FEATURES, MATRIX,
     "rejects", "rejects/part.parquet", "run.json", "matrix.csv", "gallery/vectors.npy",
     "projection", "report"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["link", "dangling", "fifo"])
def test_a_stranger_s_store_leads_nowhere(tmp_path: Path, name: str, kind: str) -> None:
    """An unpacked archive may hold links: nothing is read, written or emptied through them."""
    store = Store(tmp_path / "store")
    publish(store, "one")
    mine = tmp_path / "home"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    path = Path(store.root) / name
    target = mine if path.is_dir() or "." not in name else mine / "thesis.txt"
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(target if kind == "link" else mine / "new")
    before = snapshot(tmp_path)
    refused = r"is (a link; links in a STORE are|neither a file nor a folder; a STORE holds)"
    with pytest.raises(StoreError, match=refused):
        Store(store.root).record()
    with pytest.raises(StoreError, match=refused):
        claim(Store(store.root), overwrite=True)
    with pytest.raises(StoreError, match=refused):
        publish(Store(store.root), "two")
    assert snapshot(tmp_path) == before


def test_a_store_may_be_named_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    publish(Store(tmp_path / "store"), "one")
    assert whole(Store(tmp_path / "store")) == "one"
    assert (tmp_path / "disk" / RECORD).exists()


def test_reading_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    publish(store, "one")
    before = snapshot(tmp_path)
    Store(store.root).whole_run()
    Store(store.root).check(backbone={"sha256": "sha", "image_size": 224,
                                      "resize_shorter_side": 256}, overwrite=False)  # fmt: skip
    assert snapshot(tmp_path) == before


def test_a_lock_that_is_a_link_empties_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("years of work")
    (tmp_path / "lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic links"), LocalPlace(tmp_path).lock("lock"):
        pass
    assert (tmp_path / "mine").read_text() == "years of work"


@pytest.mark.parametrize(
    "journal",
    [
        b"[" * 200_000,
        b'{"moves": [], "gone": [], "record": {}, "record_from": ""}',
        b'{"moves": [], "gone": ["features", "matrix"], "record": RECORD, "record_from": ""}',
        b'{"moves": [], "gone": ["features/part.parquet"], "record": {}, "record_from": ""}',
        b'{"moves": [], "gone": ["matrix.csv/x"], "record": RECORD, "record_from": ""}',
        b'{"moves": [], "gone": [], "record": {"counts": 3}, "record_from": ""}',
        b'{"moves": [], "gone": [], "record": [], "record_from": ""}',
    ],
)
def test_a_journal_that_no_run_wrote_is_refused_and_nothing_is_done(
    tmp_path: Path, journal: bytes
) -> None:
    store = Store(tmp_path / "store")
    publish(store, "one")
    record = (tmp_path / "store" / RECORD).read_bytes()
    (tmp_path / "store" / JOURNAL).write_bytes(journal.replace(b"RECORD", record))
    before = snapshot(tmp_path)
    for look in (Store(store.root).record, Store(store.root).record_to_grow):
        with pytest.raises(
            StoreError, match=r"publish\.json (does not say what|is not a run record)"
        ):
            look()
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("failing", range(4))
def test_a_move_that_fails_once_is_made_again_and_the_run_is_done(
    store: Store, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    move, moved = LocalPlace.move, []

    def fails_once(place: LocalPlace, path: str, to: str) -> None:
        if (mark(store) / "publish.json").exists():
            moved.append(to)
            if len(moved) == failing + 1:
                raise OSError(errno.EIO, "Input/output error", path)
        move(place, path, to)

    monkeypatch.setattr(LocalPlace, "move", fails_once)
    publish(store, "new")
    assert whole(Store(store.root)) == "new"
    assert moved.count(moved[failing]) == 2
