"""From a label as people write it to the species that it names.

``labels.toml`` holds the words. A label is cut into words (no accents, capitals, digits, hyphens
or plural endings); then whole words are looked up, a phrase before the shorter phrases in it.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from importlib import resources
from typing import Any, NamedTuple

_WORD = re.compile(r"[^\W\d_]+")
_LONGEST_LABEL = 400
_RANKS = ("names", "shared", "varieties")


class _Rules(NamedTuple):
    """Phrases as tuples of folded words, each with the key of its species ("" for none of ours)."""

    ranks: tuple[dict[tuple[str, ...], str], ...]
    products: frozenset[tuple[str, ...]]
    longest: int


def words(label: str) -> tuple[str, ...]:
    """Return a label's words in lower case, without accents, digits and punctuation."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", label).casefold())
    kept = (c for c in plain if not unicodedata.combining(c))
    return tuple(_WORD.findall("".join(kept).replace("œ", "oe")[:_LONGEST_LABEL]))


def fold(word: str) -> str:
    """Return a word without its plural ending; both the rules and the labels are folded."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith("oes"):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _phrase(text: str) -> tuple[str, ...]:
    return tuple(fold(word) for word in words(text))


def _enter(into: dict[tuple[str, ...], str], text: str, key: str) -> None:
    phrase = _phrase(text)
    for form in {phrase, ("".join(phrase),)}:  # "passion fruit" is written "passionfruit" too
        if into.setdefault(form, key) != key:
            raise ValueError(f"labels.toml: '{text}' is said to be both {into[form]} and {key}.")


def tables_in(file: str) -> dict[str, Any]:
    """Read a file of facts that lies beside this one."""
    text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _rules() -> _Rules:
    tables = tables_in("labels.toml")
    products = frozenset(_phrase(word) for word in tables.pop("not_produce")["words"])
    ranks: tuple[dict[tuple[str, ...], str], ...] = tuple({} for _ in _RANKS)
    for name in tables.pop("other_plants")["names"]:
        _enter(ranks[0], name, "")
    for key, table in tables.items():
        for rank, field in zip(ranks, _RANKS, strict=True):
            for name in table.get(field, ()):
                _enter(rank, name, key)
    return _Rules(ranks, products, max(len(phrase) for rank in ranks for phrase in rank))


@cache
def names_of_varieties() -> frozenset[str]:
    """Return the names of varieties that are known, words folded: "pink lady"."""
    return frozenset(" ".join(phrase) for phrase in _rules().ranks[_RANKS.index("varieties")])


def _best(pieces: list[tuple[str, ...]], phrases: dict[tuple[str, ...], str]) -> str | None:
    """Return the key that the longest known phrases agree on, "" if they differ, None if none."""
    known = [piece for piece in pieces if piece in phrases]
    if not known:
        return None
    most = max(map(len, known))
    keys = {phrases[piece] for piece in known if len(piece) == most}
    return keys.pop() if len(keys) == 1 else ""


@lru_cache(maxsize=4096)
def key_of(label: str) -> str | None:
    """Return the key of the species that a label names, or None.

    None, where the label names no species of ours, names two equally well, or is a product made
    of one ("Orange-Juice").
    """
    rules = _rules()
    found = [fold(word) for word in words(label)]
    pieces = [
        tuple(found[at : at + count])
        for count in range(1, rules.longest + 1)
        for at in range(len(found) - count + 1)
    ]
    if any(piece in rules.products for piece in pieces):
        return None
    for rank in rules.ranks:
        key = _best(pieces, rank)
        if key is not None:
            return key or None
    return None


def group_of(label: str) -> str:
    """Return a stable key of what a label names: its species' key, or the label's own words.

    Labels of no known species keep a group of their own ("Arla-Standard-Milk 2" →
    "arla-standard-milk"), never equal to a species' key.
    """
    return key_of(label) or "-".join(words(label)) or label.strip()
