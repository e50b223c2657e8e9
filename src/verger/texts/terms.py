"""The words of tables and of the run record, which several surfaces say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from verger.texts.catalogue import catalogue, said
from verger.texts.numbers import Numbers

_FIELD = re.compile(r"\\\{(\w+)\\\}")  # of a text that was escaped
_NOTES = "notes."


class Terms(Numbers):
    """The words of tables and records in one language."""

    def __init__(self, language: str = "en") -> None:
        super().__init__(language)
        self._terms = said("terms", language)

    def known(self, section: str, name: str) -> str:
        """Return the text of a name that data brings along; the name where there is none."""
        return str(self._terms.get(f"{section}.{name}", name.replace("_", " ")))

    def note(self, english: str) -> str | None:
        """Say a note of a record, which has it in English; None for one that is not known."""
        for key, pattern in _notes():
            if found := pattern.fullmatch(english):
                return str(self._terms[key]).format(**found.groupdict())
        return None


@cache
def _notes() -> Sequence[tuple[str, re.Pattern[str]]]:
    """Return what each note looks like: its text, in which anything may stand for its fields."""
    return [
        (key, re.compile(_FIELD.sub(r"(?P<\1>.+)", re.escape(str(texts["en"]))), re.DOTALL))
        for key, texts in catalogue("terms").items()
        if key.startswith(_NOTES)
    ]
