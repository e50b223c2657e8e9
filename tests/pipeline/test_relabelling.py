"""Labels that people correct: checked, kept by later runs, taken back; no photo is opened."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from report_orchard import VIEWS, jpeg
from report_stores import lay
from verger.cli.main import cli
from verger.demo.render import VARIETIES
from verger.errors import StoreError, UsageError
from verger.pipeline import reduce, relabel, run
from verger.report import write_report
from verger.report.data import build
from verger.settings import RunSettings
from verger.store.corrections import Corrections
from verger.store.store import Store
from verger.verify import verify

SETTINGS = RunSettings(engine="process", csv=False)
ONE, TWO = VARIETIES[0], VARIETIES[5]
OUT, FINE = f"{ONE}/2.jpg", f"{ONE}/3.jpg"
WRONG = {f"{ONE}/{view}.jpg": TWO for view in range(4, 9)}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Photos of nine varieties and a STORE of them."""
    root = tmp_path_factory.mktemp("relabelling")
    lay(root / "photos", {
        f"{variety}/{view}.jpg": jpeg(variety, view)
        for variety in (*VARIETIES[:18:2], TWO)
        for view in range(VIEWS)
    })  # fmt: skip
    run(root / "photos", root / "store", SETTINGS)
    return root / "photos", root / "store"


@pytest.fixture
def store(made: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[1], tmp_path / "store"))


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """Corrections of five labels, a photo that is left out, and one that is fine."""
    lines = [f"{path},{label}," for path, label in WRONG.items()]
    file = tmp_path / "labels.csv"
    file.write_text(
        "\n".join(["path,label,decision", *lines, f"{OUT},,leave out", f"{FINE},,fine"])
    )
    return file


def labels(store: Path) -> dict[str, str]:
    rows = pq.read_table(store / "features", columns=["path", "label"]).to_pylist()
    return {row["path"]: row["label"] for row in rows}


def features(store: Path) -> dict[str, bytes]:
    table = pq.read_table(store / "features", columns=["path", "features"]).to_pylist()
    return {row["path"]: np.asarray(row["features"], np.float32).tobytes() for row in table}


def matrix(store: Path) -> tuple[list[Any], np.ndarray[Any, Any]]:
    table = pq.read_table(store / "matrix")
    return table.drop(["components"]).to_pylist(), np.stack(table["components"].to_numpy())


def state(store: Path) -> dict[str, bytes]:
    files = (file for file in store.rglob("*") if file.is_file() and file.name != "lock")
    return {str(file.relative_to(store)): file.read_bytes() for file in files}


def test_a_store_is_what_a_run_with_those_labels_makes(
    made: tuple[Path, Path], store: Path, sheet: Path, tmp_path: Path
) -> None:
    before = features(store)
    done, outcome = relabel(store, sheet)
    assert outcome is not None
    assert [(path, after) for path, _, after in done.labels] == list(WRONG.items())
    assert (done.left_out, done.fine, done.back) == ((OUT,), (FINE,), ())
    assert features(store) == {path: row for path, row in before.items() if path != OUT}
    assert outcome.record["counts"]["rejected_by_reason"] == {"left_out": 1}
    assert outcome.record["changes"]["relabelled"] == len(WRONG)
    photos = Path(shutil.copytree(made[0], tmp_path / "photos"))
    (photos / OUT).unlink()
    every = {f.relative_to(photos).as_posix(): f.parent.name for f in photos.rglob("*.jpg")} | WRONG
    whole = tmp_path / "whole.csv"
    whole.write_text("path,label\n" + "\n".join(f"{p},{label}" for p, label in every.items()))
    run(photos, tmp_path / "fresh", RunSettings(engine="process", csv=False, label_from=str(whole)))
    (rows, values), (fresh_rows, fresh) = matrix(store), matrix(tmp_path / "fresh")
    assert rows == fresh_rows
    np.testing.assert_allclose(values, fresh, atol=1e-4)
    assert not verify(str(store)).findings


def test_later_runs_keep_what_people_decided(
    made: tuple[Path, Path], store: Path, sheet: Path, tmp_path: Path
) -> None:
    relabel(store, sheet)
    before = state(store)
    outcome = run(made[0], store, SETTINGS)
    assert outcome.record["changes"]["kept"] == len(labels(store)) + 1
    assert {name: data for name, data in state(store).items() if name != "run.json"} == {
        name: data for name, data in before.items() if name != "run.json"
    }
    photos = Path(shutil.copytree(made[0], tmp_path / "photos"))
    lay(photos, {f"{ONE}/new.jpg": jpeg(VARIETIES[1], 0)})
    run(photos, store, SETTINGS)
    found = labels(store)
    assert found.keys() >= {f"{ONE}/new.jpg", *WRONG}
    assert OUT not in found
    assert {path: found[path] for path in WRONG} == WRONG
    again = RunSettings(engine="process", csv=False, overwrite=True)
    run(photos, store, again)
    assert {path: labels(store)[path] for path in WRONG} == WRONG


def test_what_was_done_is_taken_back(made: tuple[Path, Path], store: Path, sheet: Path) -> None:
    first = labels(store)
    relabel(store, sheet)
    other = sheet.with_name("second.csv")
    path = next(iter(WRONG))
    other.write_text(f"path,label\n{path},{VARIETIES[2]}\n")
    relabel(store, other)
    assert labels(store)[path] == VARIETIES[2]
    relabel(store, None)
    assert labels(store)[path] == TWO
    done, _ = relabel(store, None)
    assert (done.back, done.doubted) == ((OUT,), (FINE,))
    assert labels(store) == {path: label for path, label in first.items() if path != OUT}
    outcome = run(made[0], store, SETTINGS)
    assert outcome.record["changes"]["retried"] == 1
    assert labels(store) == first
    assert not (store / "corrections.parquet").exists()
    with pytest.raises(StoreError, match="no corrections to undo"):
        relabel(store, None)


@pytest.mark.parametrize("overwrite", [False, True])
def test_corrections_go_along_with_photos_that_are_renamed(
    made: tuple[Path, Path], store: Path, sheet: Path, tmp_path: Path, overwrite: bool
) -> None:
    photos = Path(shutil.copytree(made[0], tmp_path / "photos"))
    relabel(store, sheet)
    one, two, three = list(WRONG)[:3]
    for path in (OUT, FINE, one):
        (photos / path).rename(photos / ONE / f"renamed {Path(path).name}")
    (photos / two).rename(photos / VARIETIES[2] / "moved.jpg")  # the later word
    (photos / three).unlink()
    settings = RunSettings(engine="process", csv=False, overwrite=overwrite)
    record = run(photos, store, settings).record
    now = labels(store)
    assert now[f"{ONE}/renamed {Path(one).name}"] == TWO
    assert now[f"{VARIETIES[2]}/moved.jpg"] == VARIETIES[2]
    assert f"{ONE}/renamed {Path(OUT).name}" not in now
    assert Corrections.read(Store(store).place).fine == {f"{ONE}/renamed {Path(FINE).name}"}
    assert record["counts"]["rejected_by_reason"] == {"left_out": 1}
    (told,) = (note for note in record["notes"] if "`verger relabel` corrected" in note)
    assert told.startswith("2 photos are gone")
    assert run(photos, store, SETTINGS).record["changes"]["new"] == 0
    relabel(store, None)
    assert labels(store)[f"{ONE}/renamed {Path(one).name}"] == ONE


def test_what_is_fine_is_not_asked_again(
    store: Path, tmp_path: Path, made: tuple[Path, Path]
) -> None:
    photos = Path(shutil.copytree(made[0], tmp_path / "photos"))
    planted = f"{ONE}/planted.jpg"
    lay(photos, {planted: jpeg(VARIETIES[10], 3)})
    run(photos, store, SETTINGS)
    suspects = store / "report" / "mislabelled.parquet"
    assert planted in pq.read_table(suspects)["path"].to_pylist()
    sheet = tmp_path / "fine.csv"
    sheet.write_text(f"path,label,decision\n{planted},,fine\n")
    relabel(store, sheet)
    assert planted not in pq.read_table(suspects)["path"].to_pylist()
    assert relabel(store, sheet)[1] is None  # it is so already


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"path,label\nnowhere.jpg,{TWO}\n", "STORE has no photo nowhere.jpg"),
        ("path,label\na.jpg,x\nb.jpg,x\n", "STORE has no photo a.jpg, b.jpg"),
        (f"path,label\n{OUT},{TWO}x\n", f"did you mean {TWO}"),
        (f"path,label\n{OUT},{TWO}x\n{FINE},zzz\n", f"{TWO}x .did you mean {TWO}.., zzz"),
        (f"path,label\n{OUT},\n", "no line of it has a path and a label.*columns are path, label"),
        (f'path,label\n{OUT},"{"x" * 200_000}\n', "quotation mark may be left open"),
        (f"path,label\n{OUT},\n{FINE},{TWO}\n", "has no label"),
        (f"path,label,decision\n{OUT},,perhaps\n", "perhaps is not a decision"),
        (f"path,label\n{OUT},{TWO}\n{OUT},{ONE}\n", "a second label"),
        (f"path,label\n{OUT},{TWO}\n./{OUT} ,{ONE}\n", "second label|different labels"),
        ("", "it is empty"),
        ("path,fruit\n", "lacks label"),
    ],
)
def test_a_sheet_that_does_not_fit_changes_nothing(
    store: Path, tmp_path: Path, text: str, why: str
) -> None:
    before = state(store)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(text)
    with pytest.raises(UsageError, match=why) as raised:
        relabel(store, sheet)
    assert "\n" not in str(raised.value)
    assert state(store) == before


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_a_french_spreadsheet_is_read(store: Path, tmp_path: Path, encoding: str) -> None:
    sheet = tmp_path / "étiquettes.csv"
    path = OUT.replace("/", "\\")
    sheet.write_bytes(f'path;label\r\n{path};"Pomme d’été"\r\n'.encode(encoding))
    with pytest.raises(UsageError, match="no photo of STORE has the label Pomme d’été"):
        relabel(store, sheet)
    relabel(store, sheet, new_labels=True)
    assert labels(store)[OUT] == "Pomme d’été"


@pytest.mark.parametrize("how", ["gone", "truncated"])
def test_a_damaged_table_of_corrections_is_told(
    made: tuple[Path, Path], store: Path, sheet: Path, how: str
) -> None:
    """A command that went on without them would forget them."""
    relabel(store, sheet)
    file = store / "corrections.parquet"
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-9])
    for command in (
        lambda: run(made[0], store, SETTINGS),
        lambda: relabel(store, None),
        lambda: reduce(store, SETTINGS),
        lambda: write_report(store),
    ):
        with pytest.raises(StoreError, match=r"corrections\.parquet"):
            command()
    assert any(one.where == "corrections.parquet" for one in verify(str(store)).findings)
    run(made[0], store, replace(SETTINGS, overwrite=True))  # as the remedy says
    assert not verify(str(store)).findings


def test_the_command(store: Path, sheet: Path) -> None:
    def verger(*words: object) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["relabel", str(store), *map(str, words)])
        return done.exit_code, done.stdout

    before = Store(store).whole_run()
    code, told = verger(sheet, "--dry-run")
    assert (code, told.splitlines()[-1]) == (
        0, "5 relabelled, 1 left out, 1 fine as is. Nothing was changed (--dry-run).",
    )  # fmt: skip
    assert Store(store).whole_run() == before
    assert f"{ONE}/4.jpg: {ONE} → {TWO}" in told
    code, told = verger(sheet, "--json", "--quiet")
    assert json.loads(told)["left_out"] == [OUT]
    assert verger(sheet) == (0, "Nothing to do: 7 already as asked.\n")
    assert verger("--undo", "--quiet") == (0, "")
    assert verger()[0] != 0
    assert verger(sheet, "--undo")[0] != 0


def test_the_report_says_how_labels_separated_before_and_since(store: Path, tmp_path: Path) -> None:
    first = build(Store(store))
    assert (first.corrected, first.separation is None) == (None, False)
    sheet = tmp_path / "wrong.csv"
    paths = [f"{ONE}/{view}.jpg" for view in range(4)]
    lines = [f"{path},{label}" for path, label in zip(paths, [TWO] * 3 + ["new"], strict=True)]
    sheet.write_text("\n".join(["path,label", *lines]))
    relabel(store, sheet, new_labels=True)
    now = build(Store(store))
    assert (now.corrected is None, now.separation is None) == (False, False)
    assert now.corrected.photos == 4  # type: ignore[union-attr]
    assert now.corrected.before == pytest.approx(first.separation.overall[1])  # type: ignore[union-attr]
    assert now.corrected.after == pytest.approx(now.separation.overall[1])  # type: ignore[union-attr]
    assert now.corrected.after < now.corrected.before  # type: ignore[union-attr]
    changed = {one.name: one for one in now.corrected.labels}  # type: ignore[union-attr]
    assert changed.keys() == {ONE, TWO, "new"}
    assert (changed[TWO].photos_before, changed[TWO].photos) == (VIEWS, VIEWS + 3)
    assert (changed["new"].photos_before, changed["new"].photos) == (0, 1)
    relabel(store, None)
    assert build(Store(store)).corrected is None
