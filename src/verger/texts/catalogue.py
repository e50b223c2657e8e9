"""All that people are told, in each language: one catalogue, by surface.

A surface is where texts are shown, with the files that lie here for it. Whatever the form of its
file, it is read as key → language → text, so that one test holds all of them to the same rules.

    report, scripts  `report.fr.json`; the English text, in the code, is the key; two forms where a
                     number decides
    slides, terms    `NAME.toml`, "section.name" with a text a language; terms are what several say
    page, app        `NAME.LANGUAGE.json`; the app has what it says otherwise than the page
    command          `command.fr.json`, by room: the English template, in the code, is the key
    notebook         `notebook.fr.toml`, what its code says; its cells are told in their order
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from verger.texts import LANGUAGES
from verger.texts.numbers import HARD, THIN

Text = str | list[str]
# Before which signs French has a thin space, and beside which a whole one, at which no line ends.
_THIN_BEFORE = re.compile(r" (?=[;?!]|%(?!\())")
_HARD_BESIDE = re.compile(r"(?<=«) | (?=[:»])")
SURFACES = ("report", "scripts", "slides", "terms", "page", "app", "command", "notebook")


@cache
def catalogue(surface: str) -> Mapping[str, Mapping[str, Text]]:
    """Return all texts of a surface: key → language → text, or its forms from one to many."""
    if surface == "notebook":  # code, in which a space is a space
        return _by_english(_notebook()["code"])
    return {
        key: {one: _typeset(text) if one == "fr" else text for one, text in texts.items()}
        for key, texts in _as_written(surface).items()
    }


def _as_written(surface: str) -> Mapping[str, Mapping[str, Text]]:
    if surface in ("report", "scripts"):
        return _by_english(json.loads(_read("report.fr.json"))[surface])
    if surface == "command":
        rooms = json.loads(_read("command.fr.json")).values()
        return _by_english({english: french for room in rooms for english, french in room.items()})
    if surface in ("page", "app"):
        each = {one: json.loads(_read(f"{surface}.{one}.json")) for one in LANGUAGES}
        return {
            key: {one: texts[key] for one, texts in each.items() if key in texts}
            for key in sorted({key for texts in each.values() for key in texts})
        }
    return {
        f"{section}.{name}": texts
        for section, entries in tomllib.loads(_read(f"{surface}.toml")).items()
        for name, texts in entries.items()
    }


def _by_english(texts: Mapping[str, Text]) -> Mapping[str, Mapping[str, Text]]:
    return {english: {"en": english, "fr": french} for english, french in texts.items()}


def _typeset(french: Text) -> Text:
    """Put the spaces of French typography where the file has those of a keyboard."""
    if isinstance(french, list):
        return [str(_typeset(form)) for form in french]
    return _HARD_BESIDE.sub(HARD, _THIN_BEFORE.sub(THIN, french))


def said(surface: str, language: str) -> dict[str, Any]:
    """Return what a surface says in one language, by key."""
    return {key: texts[language] for key, texts in catalogue(surface).items()}


def notebook_cells() -> Sequence[str]:
    """Return what the notebook's cells of text say in French, in their order."""
    return [str(_typeset(cell)) for cell in _notebook()["cells"]]


@cache
def _notebook() -> Mapping[str, Any]:
    return tomllib.loads(_read("notebook.fr.toml"))


def _read(name: str) -> str:
    return (files("verger.texts") / name).read_text(encoding="utf-8")
