"""Parts: whole or not at all, features last, the same twice, and read by everything."""

from __future__ import annotations

import datetime as dt
import operator
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from report_orchard import jpeg
from verger.demo.render import VARIETIES
from verger.embed.features import DENIED, Embedded
from verger.errors import StoreError
from verger.photos.decode import decode
from verger.photos.small import WIDE, small_picture
from verger.storage.folder import LocalPlace
from verger.store.layout import FEATURES, REJECTS
from verger.store.parts import (
    SCHEMAS,
    Done,
    all_denied,
    edited,
    empty_table,
    merge_rejects,
    rewrite_part,
    too_small,
    write_part,
)
from verger.store.tables import ROWS_A_GROUP
from verger.store.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from verger.store.parts import Edits

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=dt.UTC)
WIDTH = 5


def feature_row(path: str, label: str | None = "plum") -> dict[str, Any]:
    number = len(path)
    return {
        "path": path,
        "label": label,
        "features": [float(number), 0.1, -0.0, 1e-30, 3.4e38],
        "width": 20,
        "height": 30,
        "bytes": 2**40 + number,
        "modified": NOW,
        "thumbnail": b"\xff\xd8" + path.encode(),
        "e_tag": f'"{path}"',
        "picture": bytes(WIDE),
        "sha256": number.to_bytes(32, "big"),
    }


def reject_row(path: str, reason: str = "empty", label: str | None = None) -> dict[str, Any]:
    return {
        "path": path,
        "label": label,
        "reason": reason,
        "detail": f"what was wrong with {path}",
        "bytes": 0,
        "modified": NOW,
        "e_tag": None,
    }


def embedded(features: list[str], rejects: list[str]) -> Embedded:
    """Some photos as `embed` yields them."""
    return Embedded(
        pa.RecordBatch.from_pylist([feature_row(p) for p in features], SCHEMAS[FEATURES]),
        pa.RecordBatch.from_pylist([reject_row(p) for p in rejects], SCHEMAS[REJECTS]),
    )


def rows(place: LocalPlace, path: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = pq.ParquetFile(place.open(path)).read().to_pylist()
    return made


def paths(place: LocalPlace, path: str) -> list[str]:
    return [row["path"] for row in rows(place, path)]


def write_rejects(place: LocalPlace, path: str, made: list[dict[str, Any]]) -> str:
    with place.incoming(path) as file:
        pq.write_table(pa.Table.from_pylist(made, SCHEMAS[REJECTS]), file, row_group_size=3)
    return path


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return LocalPlace(tmp_path)


@pytest.fixture
def work(place: LocalPlace, tmp_path: Path) -> Work:
    return Work(place, "run", "made-by", tmp_path)


PHOTOS = [embedded(["a", "bb"], ["b"]), embedded([], ["c", "d"]), embedded(["eee"], [])]


# Writing ------------------------------------------------------------------------------------------


def test_a_part_is_a_file_of_each_table(place: LocalPlace) -> None:
    assert write_part(place, "parts", "p.parquet", PHOTOS) == Done(embedded=3, rejected=3)
    assert rows(place, "parts/features/p.parquet") == [
        {**feature_row(p), "features": pytest.approx(feature_row(p)["features"], rel=1e-6)}
        for p in ("a", "bb", "eee")
    ]
    assert rows(place, "parts/rejects/p.parquet") == [reject_row(p) for p in ("b", "c", "d")]
    assert place.entries("parts") == ["parts/features", "parts/rejects"]
    assert place.entries("parts/features") == ["parts/features/p.parquet"]


def test_no_reject_gives_no_file_and_no_photo_an_empty_one(place: LocalPlace) -> None:
    assert write_part(place, "parts", "p.parquet", [embedded(["a"], [])]) == Done(1, 0)
    assert place.entries("parts") == ["parts/features"]
    assert write_part(place, "none", "p.parquet", [embedded([], ["a"])]) == Done(0, 1)
    assert rows(place, "none/features/p.parquet") == []
    assert write_part(place, "nothing", "p.parquet", []) == Done(0, 0)
    assert rows(place, "nothing/features/p.parquet") == []


def test_a_part_written_twice_is_the_same_and_stands_once(place: LocalPlace) -> None:
    made = []
    for _ in range(2):
        write_part(place, "parts", "p.parquet", PHOTOS)
        made.append([place.read(f"parts/{table}/p.parquet") for table in (FEATURES, REJECTS)])
    assert made[0] == made[1]
    for table in (FEATURES, REJECTS):
        assert place.entries(f"parts/{table}") == [f"parts/{table}/p.parquet"]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_task_that_fails_leaves_nothing(place: LocalPlace, at: int, error: BaseException) -> None:
    def photos() -> Iterator[Embedded]:
        yield from PHOTOS[:at]
        raise error

    with pytest.raises(type(error)):
        write_part(place, "parts", "p.parquet", photos())
    assert [
        entry for table in (FEATURES, REJECTS) for entry in place.entries(f"parts/{table}")
    ] == []


def test_a_task_that_fails_leaves_what_an_earlier_try_finished(
    place: LocalPlace, work: Work
) -> None:
    def photos() -> Iterator[Embedded]:
        yield PHOTOS[0]
        raise OSError(5, "Input/output error")

    write_part(place, work.parts, "p.parquet", PHOTOS)
    with pytest.raises(OSError, match="Input"):
        write_part(place, work.parts, "p.parquet", photos())
    assert [paths(place, file) for file in work.finished(FEATURES)] == [["a", "bb", "eee"]]
    assert [paths(place, file) for file in work.finished(REJECTS)] == [["b", "c", "d"]]


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_parts
from verger.store.parts import write_part
from verger.storage.folder import LocalPlace
from verger.store.work import Work
place = LocalPlace(Path(sys.argv[1]))
work = Work(place, "run", "made-by", Path(sys.argv[1]))
moment = 0
while True:
    child = os.fork()
    if child == 0:
        left = moment
        def watch(event, _arguments):
            global left
            if event in {"os.rename", "os.remove", "os.mkdir", "open"}:
                if left == 0:
                    os._exit(9)
                left -= 1
        sys.addaudithook(watch)
        write_part(place, work.parts, "p.parquet", test_parts.PHOTOS)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finished = [len(work.finished(table)) for table in ("features", "rejects")]
    there = [len(place.files(work.parts + "/" + table)) for table in ("features", "rejects")]
    for file in work.finished("features"):
        assert test_parts.paths(place, file) == ["a", "bb", "eee"]
    for file in work.finished("rejects"):
        assert test_parts.paths(place, file) == ["b", "c", "d"]
    print(code, *finished, *there, flush=True)
    if code == 0:
        break
    place.delete(work.parts)
    moment += 1
"""


@pytest.mark.slow
def test_killed_at_any_moment_a_part_is_finished_with_both_tables_or_with_none(
    tmp_path: Path,
) -> None:
    """Rejects are there first: a part that is finished lacks nothing."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    steps = [line.split() for line in done.stdout.splitlines()]
    assert steps[0] == ["9", "0", "0", "0", "0"]
    assert steps[-1] == ["0", "1", "1", "1", "1"]
    assert ["9", "0", "0", "0", "1"] in steps  # killed between the two: rejects, and not finished
    finished = [step[1:3] for step in steps]
    assert set(map(tuple, finished)) == {("0", "0"), ("1", "1")}
    assert finished == sorted(finished)


def test_rejects_of_a_try_that_was_killed_do_not_join_those_of_the_next(
    place: LocalPlace, work: Work
) -> None:
    """A photo that could not be read the first time, and could the second, is no reject."""
    write_part(place, work.parts, "p.parquet", [embedded(["a"], ["b"])])
    place.delete(f"{work.parts}/features/p.parquet")  # killed between the two
    write_part(place, work.parts, "p.parquet", [embedded(["a", "b"], [])])
    assert [paths(place, file) for file in work.finished(FEATURES)] == [["a", "b"]]
    assert work.finished(REJECTS) == []


# Reading ------------------------------------------------------------------------------------------


def test_what_is_written_has_the_schema_that_is_promised(place: LocalPlace) -> None:
    write_part(place, "parts", "p.parquet", PHOTOS)
    for table in (FEATURES, REJECTS):
        found = pq.read_schema(place.open(f"parts/{table}/p.parquet"))
        assert found.equals(SCHEMAS[table])
        assert not found.metadata
    found = pq.read_schema(place.open("parts/features/p.parquet"))
    assert str(found.field("features").type) == "list<element: float>"
    assert str(found.field("modified").type) == "timestamp[us, tz=UTC]"
    assert not found.field("path").nullable


def test_duckdb_polars_and_pandas_read_it(place: LocalPlace) -> None:
    write_part(place, "parts", "p.parquet", PHOTOS)
    write_part(place, "parts", "q.parquet", [embedded([], ["z"])])  # one of no row beside it
    folder = place.root / "parts" / "features"
    by_duckdb = duckdb.read_parquet(f"{folder}/*.parquet").order("path").fetchall()
    by_polars = pl.read_parquet(folder / "*.parquet").sort("path")
    by_pandas = pd.read_parquet(folder).sort_values("path")
    assert [row[0] for row in by_duckdb] == ["a", "bb", "eee"]
    assert by_polars["path"].to_list() == by_pandas["path"].tolist() == ["a", "bb", "eee"]
    wanted = [pytest.approx(feature_row(p)["features"], rel=1e-6) for p in ("a", "bb", "eee")]
    assert [row[2] for row in by_duckdb] == wanted
    assert by_polars["features"].to_list() == wanted
    assert [list(row) for row in by_pandas["features"]] == wanted
    assert by_polars.schema["features"] == pl.List(pl.Float32)
    assert by_polars["modified"].to_list() == [NOW] * 3
    assert [stamp.to_pydatetime() for stamp in by_pandas["modified"]] == [NOW] * 3
    assert by_polars["thumbnail"].to_list() == [row[7] for row in by_duckdb]
    rejects = duckdb.read_parquet(f"{place.root}/parts/rejects/*.parquet")
    assert rejects.aggregate("reason, count(*)").fetchall() == [("empty", 4)]


def test_groups_of_rows_are_small_whatever_came_in(place: LocalPlace) -> None:
    photos = [embedded([f"{at}-{n}" for n in range(300)], []) for at in range(9)]
    assert write_part(place, "parts", "p.parquet", photos).embedded == 2700
    footer = pq.read_metadata(place.open("parts/features/p.parquet"))
    sizes = [footer.row_group(n).num_rows for n in range(footer.num_row_groups)]
    assert sum(sizes) == 2700
    assert max(sizes) <= ROWS_A_GROUP + 300
    assert len(sizes) >= 2
    assert len(paths(place, "parts/features/p.parquet")) == len(
        set(paths(place, "parts/features/p.parquet"))
    )


def test_a_table_of_no_row_is_read_as_one(place: LocalPlace) -> None:
    path = empty_table(place, "features/empty.parquet")
    assert path == "features/empty.parquet"
    found = pq.read_table(place.open(path))
    assert found.num_rows == 0
    assert found.schema.equals(SCHEMAS[FEATURES])
    file = str(place.root / path)
    assert duckdb.read_parquet(file).fetchall() == []
    assert pl.read_parquet(file).schema["features"] == pl.List(pl.Float32)
    assert pd.read_parquet(file).columns.tolist() == SCHEMAS[FEATURES].names


# Editing ------------------------------------------------------------------------------------------


def test_rows_are_dropped_and_others_get_a_new_label(place: LocalPlace) -> None:
    write_part(place, "old", "p.parquet", [embedded(["a", "b", "c"], []), embedded(["d", "e"], [])])
    before = place.read("old/features/p.parquet")
    labels = {"a": "fig", "d": None, "e": "plum", "unknown": "pear"}
    done = rewrite_part(
        place, ["old/features/p.parquet"], "new/p.parquet", lambda _: ({"b", "gone"}, labels)
    )
    assert done == Done(4, 0)
    old = {row["path"]: row for row in rows(place, "old/features/p.parquet")}
    new = rows(place, "new/p.parquet")
    assert [(row["path"], row["label"]) for row in new] == [
        ("a", "fig"), ("c", "plum"), ("d", None), ("e", "plum")
    ]  # fmt: skip
    for row in new:  # nothing but the label is another
        assert {**row, "label": ""} == {**old[row["path"]], "label": ""}
    assert pq.read_schema(place.open("new/p.parquet")).equals(SCHEMAS[FEATURES])
    assert place.read("old/features/p.parquet") == before


def test_all_rows_may_be_dropped(place: LocalPlace) -> None:
    write_part(place, "old", "p.parquet", [embedded(["a", "b"], [])])
    assert rewrite_part(place, ["old/features/p.parquet"], "n", lambda _: ({"a", "b"}, {})) == Done(
        0, 0
    )
    assert rows(place, "n") == []


def test_rows_of_the_first_format_are_given_the_columns_it_lacked(place: LocalPlace) -> None:
    write_part(place, "old", "p.parquet", [embedded(["b", "c"], [])])
    table = pq.read_table(place.open("old/features/p.parquet"))
    with place.incoming("first") as file:
        pq.write_table(table.drop_columns(["e_tag", "picture", "sha256"]), file)
    write_part(place, "new", "p.parquet", [embedded(["a", "d"], [])])
    rewrite_part(place, ["first", "new/features/p.parquet"], "merged", lambda _: ({"c"}, {}))
    assert paths(place, "merged") == ["a", "b", "d"]
    assert pq.read_schema(place.open("merged")).equals(SCHEMAS[FEATURES])
    kept = next(row for row in rows(place, "merged") if row["path"] == "b")
    assert kept == {**table.to_pylist()[0], "e_tag": None, "sha256": None}


def test_rows_that_had_no_small_picture_are_given_that_of_their_thumbnail(
    place: LocalPlace,
) -> None:
    thumbnail = decode(jpeg(VARIETIES[0], 0)).thumbnail
    row = {**feature_row("a"), "thumbnail": thumbnail}
    table = pa.Table.from_pylist([row], SCHEMAS[FEATURES]).drop_columns(["picture"])
    with place.incoming("second") as file:
        pq.write_table(table, file)
    rewrite_part(place, ["second"], "new", no_edits)
    (made,) = rows(place, "new")
    assert made["picture"] == small_picture(thumbnail)
    assert any(made["picture"])


def test_only_where_each_was_denied_are_all_denied(place: LocalPlace) -> None:
    denied = [{**reject_row(p), "detail": DENIED} for p in ("a", "b", "c", "d")]
    assert all_denied(place, write_rejects(place, "denied", denied))
    last = [*denied[:3], reject_row("d")]
    assert not all_denied(place, write_rejects(place, "one-is-not", last))
    first = [reject_row("a"), *denied[1:]]
    assert not all_denied(place, write_rejects(place, "nor-is-the-first", first))


def test_files_become_one_in_order_of_path(place: LocalPlace) -> None:
    """Any number of files, of any length, whatever their order; each with edits of its own."""
    names = [f"{number:04d} é" for number in range(700)]
    files = []
    for number in range(7):
        mine = [name for at, name in enumerate(names) if at * at % 7 == number]
        write_part(place, "old", f"{number}.parquet", [embedded(mine, [])])
        files.append(f"old/features/{number}.parquet")
    before = {row["path"]: row for file in files for row in rows(place, file)}
    edits: dict[str, Edits] = {
        files[0]: ({names[0]}, {names[7]: "fig"}),
        files[4]: ({names[2]}, {names[7]: "no"}),
    }
    done = rewrite_part(place, files[::-1], "new", lambda file: edits.get(file, (set(), {})))
    assert done == Done(698, 0)
    assert paths(place, "new") == [names[1], *names[3:]]
    for row in rows(place, "new"):
        assert row == {**before[row["path"]], "label": row["label"]}
        assert (row["label"] == "fig") == (row["path"] == names[7])


def write_rows(place: LocalPlace, counts: list[int]) -> list[str]:
    files = []
    for number, count in enumerate(counts):
        files.append(f"features/{number:03d}.parquet")
        some = pa.Table.from_pylist([feature_row(str(n)) for n in range(count)], SCHEMAS[FEATURES])
        with place.incoming(files[-1]) as file:
            pq.write_table(some, file)
    return files


def test_small_files_are_merged_when_they_are_many(
    place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verger.store.parts.SMALL", 10)
    monkeypatch.setattr("verger.store.parts.LARGE", 100)
    monkeypatch.setattr("verger.store.parts.MOST_SMALL", 4)
    files = write_rows(place, [3, 10, 4, 50, 5, 6, 9, 11])
    small = [files[n] for n in (0, 2, 4, 5, 6)]
    assert too_small(place, files[:-3]) == []
    assert too_small(place, files[:6] + files[7:]) == []  # four, and longer ones
    assert too_small(place, files) == [small]
    monkeypatch.setattr("verger.store.parts.LARGE", 12)
    assert too_small(place, files) == [small[:3]]  # the others would be too large with a neighbour
    monkeypatch.setattr("verger.store.parts.LARGE", 16)
    assert too_small(place, files) == [small[:3], small[3:]]
    assert too_small(place, []) == []


def test_a_rewrite_that_fails_leaves_nothing(place: LocalPlace) -> None:
    place.put("old.parquet", b"no Parquet")
    with pytest.raises(StoreError, match="cannot be read as a table"):
        rewrite_part(place, ["old.parquet"], "new/p.parquet", lambda _: ({"a"}, {}))
    assert place.entries("new") == []


def test_edits_to_no_row_of_a_batch_give_the_batch_itself() -> None:
    batch = embedded(["a", "b"], []).features
    assert edited(batch, {"c"}, {"d": "x"}).equals(batch)
    assert edited(batch.slice(0, 0), {"a"}, {"b": "x"}).num_rows == 0
    both = edited(batch, {"a"}, {"a": "x", "b": None})
    assert both.select(["path", "label"]).to_pylist() == [{"path": "b", "label": None}]
    assert both.schema.equals(SCHEMAS[FEATURES])


def no_edits(_file: str) -> Edits:
    return set(), {}


def test_rejects_are_merged_in_order_and_counted(place: LocalPlace) -> None:
    one = write_rejects(
        place, "1", [reject_row(p, "empty") for p in ("a", "c", "d", "x/y", "é", "\uff5e")]
    )
    two = write_rejects(place, "2", [reject_row(p, "truncated") for p in ("b", "x.jpg", "🍑")])
    three = write_rejects(place, "3", [reject_row(p, "bad_name") for p in ("a.jpg", "aa", "zz")])
    none = write_rejects(place, "4", [])
    counts = merge_rejects(place, [one, two, three, none], "all/p.parquet", no_edits)
    assert list(counts.items()) == [("empty", 6), ("bad_name", 3), ("truncated", 3)]
    found = rows(place, "all/p.parquet")
    every = [row for file in (one, two, three) for row in rows(place, file)]
    assert found == sorted(every, key=operator.itemgetter("path"))
    assert pq.read_schema(place.open("all/p.parquet")).equals(SCHEMAS[REJECTS])


def test_rejects_are_merged_with_the_edits_of_each_file(place: LocalPlace) -> None:
    one = write_rejects(place, "1", [reject_row(p, "empty") for p in ("a", "b", "c")])
    two = write_rejects(place, "2", [reject_row(p, "truncated") for p in ("a", "b", "d")])
    edits: dict[str, Edits] = {one: ({"a"}, {"c": "fig"}), two: ({"b"}, {"d": "fig", "a": "x"})}
    look_up: Callable[[str], Edits] = edits.__getitem__
    assert merge_rejects(place, [one, two], "all", look_up) == {"empty": 2, "truncated": 2}
    assert [(row["path"], row["label"], row["reason"]) for row in rows(place, "all")] == [
        ("a", "x", "truncated"), ("b", None, "empty"), ("c", "fig", "empty"),
        ("d", "fig", "truncated"),
    ]  # fmt: skip


def test_no_reject_at_all_gives_a_table_of_no_row(place: LocalPlace) -> None:
    assert merge_rejects(place, [], "all/p.parquet", no_edits) == {}
    found = pq.read_table(place.open("all/p.parquet"))
    assert found.num_rows == 0
    assert found.schema.equals(SCHEMAS[REJECTS])


def test_more_rejects_than_a_group_holds_are_all_merged(place: LocalPlace) -> None:
    names = [f"{n:06d}" for n in range(3 * ROWS_A_GROUP + 1)]
    files = [
        write_rejects(place, str(at), [reject_row(name) for name in names[at::3]])
        for at in range(3)
    ]
    assert merge_rejects(place, files, "all", no_edits) == {"empty": len(names)}
    assert paths(place, "all") == names
