"""The species: names, origin, season, keeping and diversity, each fact with its sources.

``species.toml`` holds the facts and ``sources.toml`` what was read for them; docs/knowledge.md
says how to add to them. What no source was found for is absent, and listed as missing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal

from verger.knowledge.labels import key_of

LANGUAGES = ("en", "fr")
FACTS = ("scientific_name", "names", "origin", "season", "keeping", "diversity")
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
}
_ALWAYS = {
    "en": {"all-year": "all year", "imported": "imported"},
    "fr": {"all-year": "toute l’année", "imported": "importé"},
}


@dataclass(frozen=True)
class Source:
    """A page that was read for a fact: its title, address, and what it says there."""

    key: str
    title: str
    url: str
    read: str


@dataclass(frozen=True)
class Name:
    """A common name in one language; ``article`` is the indefinite one ("an", "une").

    ``gender`` is "f" or "m" in French, and "" in English.
    """

    one: str
    many: str
    article: str
    gender: str = ""


@dataclass(frozen=True)
class Season:
    """When it is in season in France.

    ``kind`` "months": from month ``first`` to month ``last``, both included, 1 to 12; a season
    over the new year has ``first`` > ``last``. Otherwise "all-year" or "imported", without months.
    """

    kind: Literal["months", "all-year", "imported"]
    first: int | None = None
    last: int | None = None

    def months(self) -> tuple[int, ...]:
        """Return the months of the season, 1 to 12, in their order; none where it is imported."""
        if self.kind == "imported":
            return ()
        first, last = self.first or 1, self.last or 12
        return tuple((first - 1 + step) % 12 + 1 for step in range((last - first) % 12 + 1))

    def text(self, language: str) -> str:
        """Return the season in words: "August to April", "juin à juillet", "imported"."""
        if self.first is None or self.last is None:
            return _ALWAYS[language][self.kind]
        months = _MONTHS[language].split()
        first, last = months[self.first - 1], months[self.last - 1]
        return first if first == last else f"{first} {'to' if language == 'en' else 'à'} {last}"


@dataclass(frozen=True)
class Text:
    """What the page shows of a species, in one language; None where nothing sourced is known."""

    name: str
    plural: str
    with_article: str
    origin: str | None
    season: str | None
    keeping: str | None
    diversity: str | None


@dataclass(frozen=True, eq=False)
class Species:
    """One species, or group of species that goes by one name.

    ``names``, ``origin``, ``keeping`` and ``diversity`` are mappings from "en" and "fr". A fact
    without a source is None and named in ``missing``; ``sources`` maps each other fact to what
    was read for it.
    """

    key: str
    scientific_name: str
    family: str
    names: Mapping[str, Name]
    origin: Mapping[str, str] | None
    season: Season | None
    keeping: Mapping[str, str] | None
    diversity: Mapping[str, str] | None
    sources: Mapping[str, tuple[Source, ...]]
    missing: tuple[str, ...]

    def text(self, language: str) -> Text:
        """Return the species in a language, "en" or "fr"; KeyError for another."""
        name = self.names[language]
        return Text(
            name=name.one,
            plural=name.many,
            with_article=f"{name.article} {name.one}",
            origin=self.origin[language] if self.origin else None,
            season=self.season.text(language) if self.season else None,
            keeping=self.keeping[language] if self.keeping else None,
            diversity=self.diversity[language] if self.diversity else None,
        )


def _tables(file: str) -> dict[str, Any]:
    text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    return tomllib.loads(text)


def _species(key: str, table: dict[str, Any], sources: Mapping[str, Source]) -> Species:
    season = table.get("season")
    return Species(
        key=key,
        scientific_name=table["scientific_name"],
        family=table["family"],
        names=MappingProxyType({lang: Name(**table[lang]) for lang in LANGUAGES}),
        origin=_both(table.get("origin")),
        season=Season(**season) if season else None,
        keeping=_both(table.get("keeping")),
        diversity=_both(table.get("diversity")),
        sources=MappingProxyType(
            {
                fact: tuple(sources[name] for name in names)
                for fact, names in table.get("sources", {}).items()
            }
        ),
        missing=tuple(table.get("missing", ())),
    )


def _both(texts: dict[str, str] | None) -> Mapping[str, str] | None:
    return MappingProxyType(texts) if texts else None


@cache
def _by_key() -> Mapping[str, Species]:
    sources = {key: Source(key, **table) for key, table in _tables("sources.toml").items()}
    tables = _tables("species.toml")
    return MappingProxyType({key: _species(key, tables[key], sources) for key in sorted(tables)})


def all_species() -> tuple[Species, ...]:
    """Return every species that the package knows, ordered by key."""
    return tuple(_by_key().values())


def species_of(label: str) -> Species | None:
    """Return the species that a label names ("Apple Golden 1" → apple), or None.

    None, where it names none of ours, names two equally well, or is a product made of one.
    """
    key = key_of(label)
    return None if key is None else _by_key()[key]
