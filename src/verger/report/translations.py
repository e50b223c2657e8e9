"""What the report says, in each language: messages, numbers, plurals.

The English text is the key, in the template, the scripts and `view.py`; `page/fr.json` holds the
French one, or both its forms where a number decides. A test compares keys.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "fr")
# Between thousands and before signs, French has a space that no line is broken at.
_THIN, _HARD = "\u202f", "\u00a0"


class Words:
    """One language. A message that its catalogue lacks is a `KeyError`: a defect of ours."""

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self._catalogue = _catalogue(language)

    def __call__(self, english: str, **values: object) -> str:
        """Return a message; `values` take the place of its %(names)s."""
        return self.gettext(english) % values

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        """Return the form for a count, written where the message says %(count)s."""
        return self.ngettext(one, many, count) % ({"count": self.number(count)} | values)

    def gettext(self, english: str) -> str:
        """Look a message up, as Jinja's i18n asks for it."""
        if self.language == "en":
            return english
        found = self._catalogue[english]
        if not isinstance(found, str):
            raise KeyError(english)
        return found

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Look the form for a count up; nought is plural in English, and singular in French."""
        if self.language == "en":
            return one if count == 1 else many
        forms = self._catalogue[many]
        if isinstance(forms, str):
            raise KeyError(many)
        return forms[0 if abs(count) < 2 else 1]

    def number(self, value: float) -> str:
        """Write a count with separators."""
        return self._local(f"{value:,.0f}")

    def decimal(self, value: float, digits: int, *, signed: bool = False) -> str:
        """Write a number with that many digits after the point."""
        return self._local(f"{value:{'+' if signed else ''},.{digits}f}")

    def power(self, value: float) -> str:
        """Write a number of any size in scientific notation."""
        return self._local(f"{value:.1e}")

    def percent(self, share: float, digits: int = 1) -> str:
        """Write a share; one that is no number as a dash."""
        if not math.isfinite(share):
            return "–"
        text = self._local(f"{100 * share:,.{digits}f}")
        return f"{text}%" if self.language == "en" else f"{text}{_HARD}%"

    def size(self, count: float) -> str:
        """Write a number of bytes in the unit that suits."""
        units = (
            ["bytes", "kB", "MB", "GB"] if self.language == "en" else ["octets", "ko", "Mo", "Go"]
        )
        power = 0
        while count >= 1000 and power < len(units) - 1:
            count, power = count / 1000, power + 1
        return f"{self.decimal(count, 1 if power else 0)}{_HARD}{units[power]}"

    def of_scripts(self) -> Mapping[str, str]:
        """Return what the page's scripts say; they fall back on the English that they hold."""
        return {} if self.language == "en" else _file(self.language)["scripts"]

    def _local(self, text: str) -> str:
        if self.language == "en":
            return text
        return text.replace(",", _THIN).replace(".", ",")


def _catalogue(language: str) -> Mapping[str, str | list[str]]:
    return {} if language == "en" else _file(language)["page"]


@cache
def _file(language: str) -> Any:
    text = (files("verger.report") / "page" / f"{language}.json").read_text(encoding="utf-8")
    return json.loads(text)
