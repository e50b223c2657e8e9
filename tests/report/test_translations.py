"""The report's languages: the same messages in each, with the same values, and none unused."""

from __future__ import annotations

import ast
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

import verger.report
from verger.photos.reasons import Reason
from verger.report import checks, view
from verger.report.html import _SCRIPTS, _environment
from verger.report.translations import LANGUAGES, Words

PAGE = files("verger.report") / "page"
FRENCH = json.loads((PAGE / "fr.json").read_text(encoding="utf-8"))
VALUE = re.compile(r"%\((\w+)\)s|\{(\w+)\}")


def literal(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant), f"line {node.lineno}: a message is a literal"
    assert isinstance(node.value, str)
    return node.value


def of_view() -> set[str | tuple[str, str]]:
    """What `view.py` says; a reason's words come from the reasons, a check's from the checks."""
    found: set[str | tuple[str, str]] = set()
    for node in ast.walk(ast.parse(Path(view.__file__).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "say":
            if not isinstance(node.args[0], ast.Attribute | ast.Call):  # check.what, one.reason
                found.add(literal(node.args[0]))
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "plural":
            found.add((literal(node.args[0]), literal(node.args[1])))
    return found


def of_checks() -> set[str | tuple[str, str]]:
    tree = ast.parse(Path(checks.__file__).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "Check"]
    assert len(made) == 6
    return {literal(call.args[at]) for call in made for at in (0, 2)}


def of_page() -> set[str | tuple[str, str]]:
    found: set[str | tuple[str, str]] = set()
    for template in PAGE.iterdir():
        if template.name.endswith(".jinja"):
            source = template.read_text(encoding="utf-8")
            for _, function, message in _environment("en").extract_translations(source):  # type: ignore[attr-defined]
                many = function == "ngettext"
                first = message if isinstance(message, str) else message[0]
                found.add((message[0], message[1]) if many else first)
    return found


def of_scripts() -> set[str]:
    found = set()
    for script in set(_SCRIPTS) - {"echarts.min.js"}:
        source = (PAGE / script).read_text(encoding="utf-8")
        for call in re.findall(r"\bsay\(([^()]*)", source):
            if not call.startswith("text, values"):
                found |= set(re.findall(r'"([^"]*)"', call.split(", { ")[0]))
    return found


def of_reasons() -> set[str]:
    return {text for one in Reason for text in (one.value.replace("_", " "), one.meaning)}


def test_french_says_what_english_says_and_no_more() -> None:
    said = of_view() | of_checks() | of_page() | of_reasons()
    keys = {message if isinstance(message, str) else message[1] for message in said}
    assert keys - FRENCH["page"].keys() == set()
    assert FRENCH["page"].keys() - keys == set()
    plurals = {message[1] for message in said if isinstance(message, tuple)}
    assert plurals == {key for key, text in FRENCH["page"].items() if isinstance(text, list)}
    assert of_scripts() == FRENCH["scripts"].keys()


@pytest.mark.parametrize("part", ["page", "scripts"])
def test_each_message_has_the_values_of_the_english(part: str) -> None:
    for english, french in FRENCH[part].items():
        for form in [french] if isinstance(french, str) else french:
            assert sorted(VALUE.findall(form)) == sorted(VALUE.findall(english)), english
            assert form.strip()
            assert not set('<>"') & set(form), f"{english}: a message may stand in an attribute"


@pytest.mark.parametrize(
    ("language", "number", "share", "size", "shift", "power"),
    [
        ("en", "1,234,567", "12.3%", "1.5\u00a0MB", "+0.25", "1.1e-09"),
        ("fr", "1\u202f234\u202f567", "12,3\u00a0%", "1,5\u00a0Mo", "+0,25", "1,1e-09"),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(
    language: str, number: str, share: str, size: str, shift: str, power: str
) -> None:
    say = Words(language)
    assert say.number(1_234_567) == number
    assert say.percent(0.1234) == share
    assert say.percent(float("nan")) == "–"
    assert say.size(1_500_000) == size
    assert say.decimal(0.25, 2, signed=True) == shift
    assert say.power(1.1e-9) == power


@pytest.mark.parametrize(
    ("count", "english", "french"),
    [(0, "labels", "étiquette"), (1, "label", "étiquette"), (2, "labels", "étiquettes")],
)
def test_nought_is_one_of_none_in_french_and_many_in_english(
    count: int, english: str, french: str
) -> None:
    forms = ("%(count)s label", "%(count)s labels", count)
    assert Words("en").plural(*forms).split()[1] == english
    assert Words("fr").plural(*forms).split()[1] == french


def test_every_language_has_a_page() -> None:
    assert set(LANGUAGES) == {
        "en",
        *(f.name[:2] for f in PAGE.iterdir() if f.name.endswith("json")),
    }
    assert verger.report.translations.LANGUAGES == LANGUAGES
