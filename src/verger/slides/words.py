"""What slides say, in English and in French, from the catalogue."""

from __future__ import annotations

from verger.texts.catalogue import said
from verger.texts.numbers import HARD, THIN
from verger.texts.terms import Terms


class Words(Terms):
    """The texts in one language."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self._texts = said("slides", language)

    def __call__(self, key: str, **values: str) -> str:
        """Return the text of "section.name", its fields filled in."""
        return str(self._texts[key]).format(**values)

    def percent_code(self, digits: int) -> str:
        """Return the code by which a chart writes shares, as `percent` does."""
        code = f"{0:.{digits}f}"
        return f'[$-40C]{code}"{THIN}"%' if self.language == "fr" else f"{code}%"

    def count(self, value: int, noun: str) -> str:
        """Write a count and its noun, one of the section `nouns`."""
        form = f"{noun}_one" if self.is_one(value) else noun
        return f"{self.number(value)}{HARD}{self('nouns.' + form)}"
