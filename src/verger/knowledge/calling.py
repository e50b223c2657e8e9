"""What people call a label, in each language: "Yellow-Onion" is "oignon jaune" in French.

The phrase that names the species is said in the reader's language, and in French it comes first;
of the words beside it, ``called.toml`` knows colours and the like. Names of varieties stay as
they are ("Pomme Golden Delicious 1"), and so does a label that is in that language already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from verger.knowledge.naming import fold, key_of, names_of_varieties, tables_in, words
from verger.knowledge.species import Species, by_key, species_of

_BETWEEN = re.compile(r"[-_\s]+")
_LONGEST = 4  # words of a phrase that names a species


class _Noun(NamedTuple):
    """What names a species: in each language, and which of them it is itself in."""

    en: str
    fr: str
    feminine: bool
    is_english: bool
    is_french: bool


def plain(label: str) -> str:
    """Return a label without hyphens and underscores: "Golden-Delicious" → "Golden Delicious"."""
    return " ".join(_BETWEEN.split(label)).strip() or label


@lru_cache(maxsize=4096)
def called(label: str) -> Mapping[str, str] | None:
    """Return a label in words of "en" and of "fr"; None if it names no species of ours."""
    species = species_of(label)
    if species is None:
        return None
    pieces = [piece for piece in _BETWEEN.split(label) if piece]
    found = _found([_folded(piece) for piece in pieces], _nouns(species))
    if found is None:  # the name of a variety alone
        return {"en": plain(label), "fr": plain(label)}
    start, end, noun = found
    before, after = pieces[:start], pieces[end:]
    english = french = plain(label)
    if noun.is_french and not noun.is_english:
        english = _capital(" ".join(_in_english([*before, *after], noun)))
    if noun.is_english and (not noun.is_french or before or after):
        french = _capital(" ".join([noun.fr, *_in_french([*before, *after], noun)]))
    return {"en": english, "fr": french}


def named(group: str, language: str = "en", *, article: bool = False) -> str:
    """Return what people call a group (`group_of`): "passion_fruit" is a passion fruit."""
    species = by_key().get(group)
    if species is None:
        return plain(group)
    text = species.text(language)
    return text.with_article if article else text.name


def _folded(text: str) -> str:
    return " ".join(fold(word) for word in words(text))


def _found(folded: Sequence[str], nouns: Mapping[str, _Noun]) -> tuple[int, int, _Noun] | None:
    """Return from where to where the longest phrase lies that is a noun; of several, the last."""
    for count in range(min(_LONGEST, len(folded)), 0, -1):
        for start in range(len(folded) - count, -1, -1):
            noun = nouns.get(" ".join(folded[start : start + count]))
            if noun:
                return start, start + count, noun
    return None


@cache
def _nouns(species: Species) -> dict[str, _Noun]:
    """Return the common names of a species, by their folded words."""
    en, fr = species.names["en"], species.names["fr"]
    english = {_folded(en.one), _folded(en.many)}
    french = {_folded(fr.one), _folded(fr.many)}
    synonyms = {_folded(name) for name in _tables()["synonyms"]["phrases"]}
    english |= {name for name in synonyms if key_of(name) == species.key}
    nouns = {
        name: _Noun(en.one, fr.one, fr.gender == "f", name in english, name in french)
        for name in english | french
    }
    for name, own in _tables()["nouns"].items():
        if key_of(name) == species.key:
            is_french = _folded(name) == _folded(own["fr"])
            is_english = not is_french or _folded(name) == _folded(own["en"])  # "chili" is, too
            feminine = own["gender"] == "f"
            nouns[_folded(name)] = _Noun(own["en"], own["fr"], feminine, is_english, is_french)
    return nouns


def _in_french(pieces: Sequence[str], noun: _Noun) -> list[str]:
    """Say words in French, but for those that name a variety: the "pink" of "Pink Lady" is none."""
    known = _tables()["french"]
    folded = [_folded(piece) for piece in pieces]
    kept = _of_varieties(folded)
    said = [
        known[word][noun.feminine] if word in known and at not in kept else piece
        for at, (piece, word) in enumerate(zip(pieces, folded, strict=True))
    ]
    return [word for word in said if word]


def _in_english(pieces: Sequence[str], noun: _Noun) -> list[str]:
    """Say a French label in English: what is told of the noun comes before it."""
    known = _english()
    told = [known[word] for word in map(_folded, pieces) if word in known]
    return [*told, noun.en, *(piece for piece in pieces if _folded(piece) not in known)]


@cache
def _english() -> dict[str, str]:
    pairs = reversed(_tables()["french"].items())  # of two English words for one, the first
    return {_folded(form): word for word, forms in pairs for form in forms if form}


def _of_varieties(folded: Sequence[str]) -> set[int]:
    """Return which words are part of a variety's name."""
    varieties = names_of_varieties()
    return {
        at
        for count in range(1, _LONGEST + 1)
        for start in range(len(folded) - count + 1)
        if " ".join(folded[start : start + count]) in varieties
        for at in range(start, start + count)
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def _tables() -> dict[str, Any]:
    return tables_in("called.toml")
