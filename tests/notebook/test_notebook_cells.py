"""The notebook, run top to bottom in a session that is given; in a kernel: `test_kernel.py`."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from verger.notebook import write_notebook
from verger.pipeline import relabel
from verger.spark.desk import Desk
from webserver import serve
from whole_runs import Whole

pytestmark = pytest.mark.spark


@pytest.fixture
def agg(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        yield


@pytest.mark.any_spark
def test_a_session_that_is_given_is_used(
    spark: SparkSession,
    whole: Whole,
    copy_of: Callable[[Path], Path],
    photos_of: Callable[..., Path],
    tmp_path: Path,
    agg: None,
) -> None:
    names = ["été [x]/{a}*.JPG", "été [x]/b?.jpg", "it's/100% #1.jpeg", "it's/d.jpg", "root.jpg"]
    photos = photos_of(*names).rename(tmp_path / "photos {1} [x] é")
    (photos / "it's" / "cut.jpg").write_bytes((photos / "it's" / "d.jpg").read_bytes()[:700])
    (photos / "notes.txt").write_text("no photo")
    store = copy_of(whole.store).rename(tmp_path / "store [x] {1}")
    file = tmp_path / "notebook.py"
    write_notebook(store, file, photos=str(photos), language="fr")
    given: dict[str, Any] = {"spark": spark, "__name__": "notebook"}
    exec(compile(file.read_text(), str(file), "exec"), given)  # noqa: S102 - our own text
    assert spark.range(3).count() == 3  # it goes on
    written = pq.read_table(store / "notebook" / "matrix").to_pandas()
    assert dict(zip(written["path"], written["label"], strict=True)) == {
        name: Path(photos.name, name).parent.name for name in names
    }
    assert written["components"].map(len).unique().tolist() == [given["pca"].projection.k]
    embedded = pq.read_table(store / "notebook" / "features").to_pandas()
    rejected = embedded[embedded["features"].isna()]
    assert rejected[["path", "reason"]].to_numpy().tolist() == [["it's/cut.jpg", "truncated"]]


def test_what_people_corrected_counts(
    spark: SparkSession, whole: Whole, copy_of: Callable[[Path], Path], tmp_path: Path
) -> None:
    store = copy_of(whole.store)
    rows = pq.read_table(store / "features", columns=["path", "label"]).to_pylist()
    before = {row["path"]: row["label"] for row in rows}
    desk = Desk(str(tmp_path), str(store), spark)
    photos = spark.createDataFrame(list(before.items()), "path string, label string")
    assert desk.corrected(photos) is photos
    out, one = list(before)[:2]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        sheet = [("path", "label", "decision"), (out, "", "leave out"), (one, "Another", "")]
        csv.writer(file).writerows(sheet)
    relabel(str(store), tmp_path / "labels.csv", new_labels=True)
    now = {row.path: row.label for row in desk.corrected(photos).collect()}
    assert now == {path: label for path, label in before.items() if path != out} | {one: "Another"}


def test_a_list_on_the_web(
    spark: SparkSession,
    whole: Whole,
    copy_of: Callable[[Path], Path],
    photos_of: Callable[..., Path],
    tmp_path: Path,
    agg: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    names = ["a b/1.jpg", "a b/2.jpg", "c/3.jpg", "c/4.jpg"]
    photos = photos_of(*names)
    store, file = copy_of(whole.store), tmp_path / "notebook.py"
    with serve() as site:
        for name in names:
            site.put(f"/p/{quote(name)}", (photos / name).read_bytes(), e_tag='"1"')
        site.put("/p/text.jpg", b"no photo", e_tag='"1"')
        lines = ["path,label", *(f"{name},{name[0]}" for name in names), "text.jpg,c", "gone.jpg,c"]
        url = site.put("/p/list.csv", "\n".join(lines).encode())
        write_notebook(store, file, photos=url)
        given: dict[str, Any] = {"spark": spark, "__name__": "notebook"}
        exec(compile(file.read_text(), str(file), "exec"), given)  # noqa: S102 - our own text
    written = pq.read_table(store / "notebook" / "matrix").to_pandas()
    assert dict(zip(written["path"], written["label"], strict=True)) == {n: n[0] for n in names}
    embedded = pq.read_table(store / "notebook" / "features").to_pandas()
    rejected = embedded[embedded["features"].isna()]
    assert rejected[["path", "reason"]].to_numpy().tolist() == [["text.jpg", "not_an_image"]]
