"""What the page and the server's problems say to people, in both languages."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from verger.serve.shell import texts
from verger.texts import LANGUAGES

words = cache(texts)  # all of them, by language and key


def said(language: str, key: str, **values: Any) -> str:
    """Return a text with its `{blanks}` filled. Raises KeyError for a key that there is not."""
    return re.sub(r"\{(\w+)\}", lambda at: str(values.get(at[1], at[0])), words()[language][key])


def preferred(accept_language: str) -> str:
    """Return the language, of those that there are, that an Accept-Language header prefers."""
    weights: dict[str, float] = {}
    for item in accept_language.split(","):
        tag, _, quality = item.strip().partition(";")
        match = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", quality)
        weight = float(match[1]) if match else 0.0 if quality else 1.0
        language = tag.strip().lower().partition("-")[0]
        weights[language] = max(weight, weights.get(language, 0.0))
    best = max(LANGUAGES, key=lambda language: weights.get(language, 0.0))
    return best if weights.get(best, 0.0) > 0 else LANGUAGES[0]
