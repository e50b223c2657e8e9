"""The lines that end a run: true to its record, and its commands can be pasted."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from verger.store.summary import summary


def record(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "counts": {
            "listed": 6015,
            "embedded": 5980,
            "rejected": 35,
            "rejected_by_reason": {"truncated": 30, "empty": 5},
        },
        "projection": {"k": 128, "rank": 1280, "explained_variance": 0.9512, "notes": ["as few"]},
        "seconds": {"list": 0.5, "embed": 50.0, "fit": 1.2},
        "labels": 1131,
        "backbone": {"name": "lite", "features": 1280, "image_size": 224, "views": [256]},
        "photos_per_second": 119.64,
        "cores": 2,
        "notes": ["3 of 6015 photos have no label."],
        "settings": {"csv": True},
    }
    return {**whole, **changes}


def test_the_summary_says_what_the_record_holds() -> None:
    text = summary(record(), "store")
    for part in (
        "5,980 photos of 1,131 labels",
        "lite, 119.6 photos/s on 2 cores; 52 s in all",
        "35 rejected: 30 truncated, 5 empty.",
        "128 components keep 95.1% of the variance of 1280 features (rank 1280)",
        "Note: as few",
        "Note: 3 of 6015 photos have no label.",
        "In store:",
        "matrix.csv",
        "run.json",
        "Next:",
    ):
        assert part in text
    assert "\x1b" not in text


def test_a_run_that_found_nothing_is_a_line() -> None:
    finished = {"finished": "2026-11-29T06:00:00+00:00"}
    same = record(seconds={"list": 0.5}, **finished)
    note = "Note: 3 of 6015 photos have no label."
    line = "Up to date: nothing new among 6,015 photos (35 of them rejected)."
    assert summary(same, "store").splitlines() == [line, note]
    sound = record()["counts"] | {"rejected": 0}
    assert "among 6,015 photos." in summary(same | {"counts": sound}, "store")
    later = {"finished": "2026-11-29T07:00:00+00:00", "seconds": {"fit": 1.0}}
    assert "In store:" in summary(same | {"reduced": later}, "store")
    earlier = later | {"finished": "2026-11-29T05:00:00+00:00"}
    assert summary(same | {"reduced": earlier}, "store").startswith("Up to date")


def test_a_report_is_opened_where_this_machine_can(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "webbrowser" not in summary(record(), "store")  # there is none
    assert "report.html\n  " not in summary(record(), "s3://bucket/store", has_report=True)
    monkeypatch.setattr("sys.platform", "darwin")
    assert "  open store/report/report.html\n" in summary(record(), "store", has_report=True)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("DISPLAY", ":0")
    assert "  xdg-open store/report/report.html\n" in summary(record(), "store", has_report=True)


def test_a_projection_that_is_held_is_told() -> None:
    held = record()["projection"] | {"held": True}
    said = "The projection is held from an earlier run."
    assert said in summary(record(projection=held), "store")
    assert said not in summary(record(projection=held | {"held": False}), "store")


def test_several_views_are_told_and_the_usual_one_is_not() -> None:
    of_two = {"name": "lite", "features": 1280, "image_size": 224, "views": [420, 224]}
    assert "by lite (views 224/224,420), 119.6" in summary(record(backbone=of_two), "store")
    old = {"name": "lite", "features": 1280, "image_size": 224, "resize_shorter_side": 256}
    assert "by lite, 119.6 photos/s" in summary(record(backbone=old), "store")


def test_what_there_is_not_is_not_said() -> None:
    counts = {"listed": 1, "embedded": 1, "rejected": 0, "rejected_by_reason": {}}
    projection = {"k": 0, "rank": 0, "explained_variance": 0.0, "notes": []}
    text = summary(
        record(counts=counts, projection=projection, settings={"csv": False}, notes=[]),
        "store",
    )
    for part in ("rejected:", "components keep", "Note:", "matrix.csv"):
        assert part not in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"new": 30, "kept": 900}, True),
        ({"new": 29, "kept": 900}, False),
        ({"new": 900, "reused": 871}, False),
        ({"new": 10, "changed": 10, "retried": 10}, True),
        ({}, True),  # of an older Verger
    ],
)
def test_a_rate_is_told_of_photos_enough(changes: dict[str, int], told: bool) -> None:
    text = summary(record(changes=changes, cores=1), "store")
    assert ("photos/s on 1 core;" in text) == told
    assert "embedded by lite" in text


def test_one_of_each_is_told_as_one() -> None:
    counts = {"listed": 2, "embedded": 1, "rejected": 1, "rejected_by_reason": {"empty": 1}}
    projection = {"k": 1, "rank": 1, "explained_variance": 1.0, "notes": []}
    some = {"new": 0, "changed": 1, "retried": 0, "kept": 0, "relabelled": 0, "gone": 1}
    changes = some | {"reused": 1, "resumed": 1}
    one = record(counts=counts, projection=projection, changes=changes, labels=1, cores=1)
    text = summary(one, "store")
    for part in (
        "\n1 photo of 1 label embedded by",
        "\n1 component keeps 100.0% of the",
        "kept, 1 was embedded",
        "\n1 photo has the bytes",
        "label, 1 component (Parquet)",
    ):
        assert part in text
    found_nothing = one | {"seconds": {"list": 1.0}, "counts": counts | {"listed": 1}}
    nothing = summary(found_nothing | {"finished": "2026"}, "store")
    assert "among 1 photo (1 of them rejected)." in nothing


@pytest.mark.parametrize(
    "name",
    [
        "my store",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("store", "a'b", 'a"b', "a#b%c", "$HOME")
        ),
    ],
)
def test_the_next_commands_can_be_pasted(tmp_path: Path, name: str) -> None:
    matrix = tmp_path / name / "matrix"
    matrix.mkdir(parents=True)
    table = pa.table({"path": ["a.jpg", "b.jpg"], "label": ["plum", "plum"]})
    pq.write_table(table, matrix / "part-0.parquet")
    store = tmp_path / name
    *_, look, show, ask, again = summary(record(), str(store), has_report=True).splitlines()
    (store / "report").mkdir()
    (store / "report" / "report.html").write_text("a report")
    opened = unquote(shlex.split(look)[-1].removeprefix("file://"))
    assert Path(opened).read_text() == "a report"
    shown = subprocess.run(["sh", "-c", show], capture_output=True, text=True, check=True)
    assert "b.jpg" in shown.stdout
    program, *arguments = shlex.split(again)
    assert Path(program).name == "verger"
    assert arguments == ["reduce", str(tmp_path / name), "--components", "50"]
    assert shlex.split(ask)[1:] == ["identify", str(tmp_path / name), "PHOTO.jpg"]
