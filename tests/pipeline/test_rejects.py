"""When too much is rejected, and when all is: what is left in STORE."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from verger.embed.features import features_schema
from whole_runs import Here

pytestmark = pytest.mark.slow


def bad_photos(folder: Path, number: int) -> None:
    for i in range(number):
        (folder / f"bad {i}.jpg").write_text("no photo")


def tree(store: Path) -> dict[str, str]:
    """Digest all files that a STORE shows to its user."""
    return {
        str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in store.rglob("*")
        if file.is_file() and ".verger" not in file.parts
    }


def test_too_many_rejects(here: Here, photos_of: Callable[..., Path], tmp_path: Path) -> None:
    """The rejects are written, nothing else is, and a run of good photos may follow."""
    photos, store = photos_of("a/1.jpg", "a/2.jpg"), tmp_path / "store"
    bad_photos(photos, 3)
    ended = here("run", photos, store)
    assert ended.code == 8
    assert ended.out == ""
    assert "3 of 5 photos were rejected (3 not_an_image)" in ended.error
    assert "--max-rejects 0.5" in ended.error
    assert str(store / "rejects") in ended.error
    assert {entry.name for entry in store.iterdir()} == {"rejects", ".verger"}
    rejects = pd.read_parquet(store / "rejects")
    assert sorted(rejects["path"]) == ["bad 0.jpg", "bad 1.jpg", "bad 2.jpg"]
    ended = here("run", photos, store, "--max-rejects", "0.6")
    assert ended.code == 0, ended.err
    assert "3 rejected: 3 not_an_image" in ended.out
    assert json.loads((store / "run.json").read_text())["counts"]["embedded"] == 2


def test_too_many_rejects_leave_a_whole_run_alone(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    photos, store = photos_of("a/1.jpg", "a/2.jpg"), tmp_path / "store"
    assert here("run", photos, store, "--quiet").code == 0
    before = tree(store)
    assert "run.json" in before
    bad_photos(photos, 3)
    ended = here("run", photos, store, "--overwrite")
    assert ended.code == 8
    assert tree(store) == before
    kept = Path(ended.error.split("See ")[1].removesuffix("."))
    assert len(pd.read_parquet(kept)) == 3
    assert kept.is_relative_to(store / ".verger")


def test_everything_rejected_and_allowed(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, store = tmp_path / "photos", tmp_path / "store"
    photos.mkdir()
    bad_photos(photos, 4)
    ended = here("run", photos, store, "--max-rejects", "1")
    assert ended.code == 0, ended.err
    assert "4 rejected" in ended.out
    assert "No photo was embedded" in ended.out
    record = json.loads((store / "run.json").read_text())
    assert record["counts"]["embedded"] == record["projection"]["k"] == 0
    assert (store / "matrix.csv").read_text() == "path,label\n"
    monkeypatch.chdir(store)
    for table, columns in (("features", len(features_schema())), ("matrix", 3)):
        assert pd.read_parquet(table).shape == (0, columns)
        assert pl.read_parquet(f"{table}/*.parquet").shape == (0, columns)
        with duckdb.connect() as connection:
            (count,) = connection.execute(
                f"select count(*) from read_parquet('{table}/*.parquet')"  # noqa: S608
            ).fetchall()[0]
            assert count == 0
