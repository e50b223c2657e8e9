"""What the report says, in each language: messages and plurals.

The English text is the key, in the template, the scripts and `view.py`; the catalogue holds
the French one, or both its forms where a number decides. A test compares keys.
"""

from __future__ import annotations

from collections.abc import Mapping

from verger.texts.catalogue import said
from verger.texts.terms import Terms


class Words(Terms):
    """One language. A message that its catalogue lacks is a `KeyError`: a defect of ours."""

    def __init__(self, language: str = "en") -> None:
        super().__init__(language)
        self._catalogue = {} if language == "en" else said("report", language)

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
            return one if self.is_one(count) else many
        forms = self._catalogue[many]
        if isinstance(forms, str):
            raise KeyError(many)
        return str(forms[0 if self.is_one(count) else 1])

    def of_scripts(self) -> Mapping[str, str]:
        """Return what the page's scripts say; they fall back on the English that they hold."""
        return {} if self.language == "en" else said("scripts", self.language)
