"""The report's languages: the same messages in each, with the same values, and none unused."""

from __future__ import annotations

import ast
import re
from importlib.resources import files
from pathlib import Path

import pytest

from verger.photos.reasons import Reason
from verger.report import checks, view
from verger.report.html import _SCRIPTS, _environment
from verger.report.translations import Words
from verger.texts.catalogue import said

PAGE = files("verger.report") / "page"
FRENCH = {part: said(part, "fr") for part in ("report", "scripts")}
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
    return {one.meaning for one in Reason}


def test_french_says_what_english_says_and_no_more() -> None:
    said = of_view() | of_checks() | of_page() | of_reasons()
    keys = {message if isinstance(message, str) else message[1] for message in said}
    assert keys - FRENCH["report"].keys() == set()
    assert FRENCH["report"].keys() - keys == set()
    plurals = {message[1] for message in said if isinstance(message, tuple)}
    assert plurals == {key for key, text in FRENCH["report"].items() if isinstance(text, list)}
    assert of_scripts() == FRENCH["scripts"].keys()


@pytest.mark.parametrize("part", ["report", "scripts"])
def test_each_message_has_the_values_of_the_english(part: str) -> None:
    for english, french in FRENCH[part].items():
        for form in [french] if isinstance(french, str) else french:
            assert sorted(VALUE.findall(form)) == sorted(VALUE.findall(english)), english
            assert form.strip()
            assert not set('<>"') & set(form), f"{english}: a message may stand in an attribute"


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


@pytest.mark.parametrize(
    ("value", "english", "french"),
    [(1e-05, "0.00001", "0,00001"), (0.25, "0.25", "0,25"), (2, "2", "2"), (True, "yes", "oui")],
)
def test_a_setting_is_told_with_all_its_digits(value: float, english: str, french: str) -> None:
    told = [view._setting("shrinkage", value, Words(language)) for language in ("en", "fr")]
    assert told == [english, french]


def test_the_detail_of_a_reject_is_told_in_the_language_of_the_report() -> None:
    assert view._detail("zero bytes", Words("fr")) == ("fr", "zéro octet")
    assert view._detail("zero bytes", Words("en")) == ("en", "zero bytes")
    assert view._detail("what no code says", Words("fr")) == ("en", "what no code says")


def test_components_are_told_as_a_number() -> None:
    assert view._setting("components", "0.95", Words("fr")) == "0,95"
    assert view._setting("components", "95%", Words("fr")) == "0,95"
    assert view._setting("components", "208", Words("fr")) == "208"
