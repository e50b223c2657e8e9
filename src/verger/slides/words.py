"""What slides say, in English and in French: one catalogue, `words.toml`, and how numbers look."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from verger.knowledge.species import MONTHS

LANGUAGES = ("en", "fr")
_NARROW_SPACE = "\u202f"
_SPACE = "\u00a0"
_POINTS = {"en": ".", "fr": ","}
_THOUSANDS = {"en": ",", "fr": _SPACE}
# From how many seconds on, in which unit, with how many digits.
_UNITS = ((172_800, 86_400, 1, "day"), (5_400, 3_600, 1, "hour"), (90, 60, 0, "minute"))


@cache
def catalogue() -> Mapping[str, Mapping[str, Any]]:
    """Return all texts, by section and key; each has one entry a language."""
    file = resources.files("verger.slides") / "words.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


class Words:
    """The texts in one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: str) -> str:
        """Return the text of "section.name", its fields filled in."""
        section, _, name = key.partition(".")
        return str(catalogue()[section][name][self.language]).format(**values)

    def known(self, section: str, name: str) -> str:
        """Return the text of a name that data brings along; the name where there is none."""
        texts = catalogue()[section].get(name)
        return str(texts[self.language]) if texts else name.replace("_", " ")

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number."""
        text = f"{value:,.{digits}f}"
        marks = {",": _THOUSANDS[self.language], ".": _POINTS[self.language]}
        return "".join(marks.get(character, character) for character in text)

    def percent(self, share: float, digits: int = 0) -> str:
        """Write a share; one that is no number as a dash."""
        if not math.isfinite(share):
            return "–"
        space = _NARROW_SPACE if self.language == "fr" else ""
        return f"{self.number(100 * share, digits)}{space}%"

    def count(self, value: int, noun: str) -> str:
        """Write a count and its noun, one of the section `nouns`."""
        one = value < 2 if self.language == "fr" else value == 1
        form = f"{noun}_one" if one else noun
        return f"{self.number(value)}{_SPACE}{self('nouns.' + form)}"

    def seconds(self, value: float) -> str:
        """Write a duration in the unit that suits."""
        for size, unit, digits, name in _UNITS:
            if value >= size:
                return f"{self.number(value / unit, digits)}{_SPACE}{self(f'units.{name}')}"
        return f"{self.number(value, 0 if value >= 10 else 1)}{_SPACE}s"

    def day(self, moment: str) -> str:
        """Write the day of an ISO moment; the text as it is where it is none."""
        year, month, day = moment[:4], moment[5:7], moment[8:10]
        if not (year.isdigit() and month.isdigit() and day.isdigit() and 1 <= int(month) <= 12):
            return moment[:10]
        return f"{int(day)} {MONTHS[self.language].split()[int(month) - 1]} {year}"
