"""The species: names, origin, season, keeping and diversity, each fact with its sources.

``species.toml`` holds the facts and ``sources.toml`` what was read for them; docs/knowledge.md
says how to add to them. What no source was found for is absent, and listed as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from verger.knowledge.naming import key_of, tables_in
from verger.texts import LANGUAGES
from verger.texts.numbers import MONTHS

FACTS = ("scientific_name", "names", "origin", "season", "keeping", "diversity")
_SEASON = {
    "en": {"imported": "imported", "all year": "all year", "to": "to"},
    "fr": {"imported": "d’importation", "all year": "toute l’année", "to": "à"},
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
    """When it is in season in France, or in its shops where it is ``imported``.

    From month ``first`` to month ``last``, both included, 1 to 12; over the new year ``first`` is
    the greater. Both are None where it is imported and no months are known.
    """

    first: int | None = None
    last: int | None = None
    imported: bool = False

    def months(self) -> tuple[int, ...]:
        """Return the months of the season, 1 to 12, in their order; none where none are known."""
        if self.first is None or self.last is None:
            return ()
        count = (self.last - self.first) % 12 + 1
        return tuple((self.first - 1 + step) % 12 + 1 for step in range(count))

    def text(self, language: str) -> str:
        """Return the season in words: "August to April", "d’importation, toute l’année"."""
        words = _SEASON[language]
        parts = [words["imported"]] if self.imported else []
        if self.first is not None and self.last is not None:
            first, last = (MONTHS[language][month - 1] for month in (self.first, self.last))
            if len(self.months()) == 12:
                parts.append(words["all year"])
            else:
                parts.append(first if first == last else f"{first} {words['to']} {last}")
        return ", ".join(parts)


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

    ``names``, ``origin``, ``keeping`` and ``diversity`` are mappings from "en" and "fr".
    ``sources`` maps each of ``FACTS`` to what was read for it; a fact for which no source was
    found is named in ``missing`` instead, and None (names and scientific name are always given).
    ``scientific_name`` stands for the family too.
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
def by_key() -> Mapping[str, Species]:
    """Return every species by its key."""
    sources = {key: Source(key, **table) for key, table in tables_in("sources.toml").items()}
    tables = tables_in("species.toml")
    return MappingProxyType({key: _species(key, tables[key], sources) for key in sorted(tables)})


def all_species() -> tuple[Species, ...]:
    """Return every species that the package knows, ordered by key."""
    return tuple(by_key().values())


def species_of(label: str) -> Species | None:
    """Return the species that a label names ("Apple Golden 1" → apple), or None.

    None, where it names none of ours, names two equally well, or is a product made of one.
    """
    key = key_of(label)
    return None if key is None else by_key()[key]
