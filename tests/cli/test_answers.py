"""How answers are laid out for a person."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from verger.cli.answers import identified_lines, identified_table
from verger.gallery import Answer, Verdict
from verger.gallery.answer import Guess
from verger.gallery.identify import Identified
from verger.photos.reasons import Reason, Reject
from verger.texts.command import speak

FOLDER = "/data/of/somebody/with/a/long/name/photos/"


@pytest.fixture
def french() -> Iterator[None]:
    speak("fr")
    yield
    speak("en")


def identified() -> list[Identified]:
    two = tuple(Guess(name, 0.4, 0.4) for name in ("lemon", "passion_fruit"))
    labels = (
        Guess("Lemon", 0.4, 0.4),
        Guess("Passion-Fruit", 0.4, 0.4),
        Guess("Kiwi", 0.001, 0.001),
    )
    answer = Answer(Verdict.AMBIGUOUS, False, 0.8, labels, two, 0.2, (), 1)
    return [
        Identified((FOLDER + "a/1.jpg",), (), answer),
        Identified((), ((FOLDER + "b/2.jpg", Reject(Reason.EMPTY, "zero bytes")),), None),
    ]


def shown(width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(identified_table(identified()))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_eighty_columns_hold_it() -> None:
    head, *rows = shown(80)
    assert head.split() == ["photo", "answer", "confidence", "then"]
    assert rows[0].startswith("a/1.jpg  a lemon or a passion fruit ")
    assert "80%" in rows[0]
    assert "Kiwi" not in rows[0], "no candidate of 0%"
    assert any(row.startswith("b/2.jpg  rejected: The file has 0") for row in rows)
    assert len(rows) <= 4


def test_in_french(french: None) -> None:
    said = " ".join(shown(100))
    assert "un citron ou un fruit de la passion" in said
    assert "80 %" in said.replace("\u202f", " ")
    assert "rejet : " in said.replace("\u202f", " ").replace("\xa0", " ")


def test_a_label_is_not_translated(french: None) -> None:
    label = Guess("unknown", 0.9, 0.9)  # a word of ours, too
    answer = Answer(Verdict.VARIETY, False, 0.9, (label,), (), 0.9, (), 1)
    table = identified_table([Identified(("a.jpg",), (), answer)])
    assert [str(cell) for cell in table.columns[1].cells] == ["unknown"]


def test_a_pipe_gets_whole_paths() -> None:
    lines = identified_lines(identified())
    assert lines[1].startswith(f"{FOLDER}a/1.jpg\tambiguous\ta lemon or a passion fruit\t80%")
    assert lines[2].startswith(f"{FOLDER}b/2.jpg\trejected\tempty: zero bytes")
