"""The knowledge file: whole in both languages, each fact with a source or said to be missing."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import pytest

from verger import knowledge
from verger.knowledge import Season, Species, all_species, species_of
from verger.knowledge.species import FACTS
from verger.texts import LANGUAGES

EVERY = all_species()
TEXTS = ("origin", "keeping", "diversity")


def table(file: str) -> dict[str, Any]:
    text = resources.files(knowledge).joinpath(file).read_text(encoding="utf-8")
    return tomllib.loads(text)  # refuses a key that is there twice


SOURCES = table("sources.toml")
SPECIES = table("species.toml")


@pytest.fixture(params=EVERY, ids=lambda species: species.key)
def species(request: pytest.FixtureRequest) -> Species:
    found: Species = request.param
    return found


def test_about_seventy_species_are_known_in_the_order_of_their_keys() -> None:
    keys = [species.key for species in EVERY]
    assert len(keys) >= 70
    assert keys == sorted(set(keys))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", key) for key in keys)


def test_each_fact_has_a_source_that_exists_or_is_missing(species: Species) -> None:
    assert set(species.sources) | set(species.missing) == set(FACTS)
    assert not set(species.sources) & set(species.missing)
    assert all(found for found in species.sources.values())
    raw = SPECIES[species.key].get("sources", {})
    assert all(name in SOURCES for names in raw.values() for name in names)


def test_a_fact_is_given_exactly_where_it_has_a_source(species: Species) -> None:
    for fact in ("season", *TEXTS):
        assert (getattr(species, fact) is None) == (fact in species.missing), fact


def test_names_are_whole_in_both_languages(species: Species) -> None:
    assert re.match(r"[A-Z][a-z]+ ", species.scientific_name)
    assert re.fullmatch(r"[A-Z][a-z]+ceae", species.family)
    assert set(species.names) == set(LANGUAGES)
    english, french = species.names["en"], species.names["fr"]
    assert english.article == ("an" if english.one[0] in "aeiou" else "a")
    assert french.article == {"f": "une", "m": "un"}[french.gender]
    assert english.one
    assert english.many
    assert french.many


def test_texts_are_there_in_both_languages_and_end_as_they_should(species: Species) -> None:
    for fact in TEXTS:
        texts = getattr(species, fact)
        if texts is None:
            continue
        assert set(texts) == set(LANGUAGES)
        for text in texts.values():
            assert text == " ".join(text.split())
            assert text.endswith(".") == (fact != "origin"), text
            assert text[0].isupper() or not text[0].isalpha()
        assert texts["en"] != texts["fr"] or fact == "origin"
    if species.diversity:
        sentences = {
            lang: len(re.findall(r"\.(?= |$)", t)) for lang, t in species.diversity.items()
        }
        assert all(2 <= count <= 4 for count in sentences.values()), sentences


def test_months_are_months(species: Species) -> None:
    season = species.season
    if season is None:
        return
    assert (season.first is None) == (season.last is None)
    assert season.imported or season.first is not None
    assert all(1 <= month <= 12 for month in season.months())
    if season.first is not None:
        assert season.months()[0] == season.first
        assert season.months()[-1] == season.last


def test_each_source_is_read_once_used_and_has_an_https_address() -> None:
    used = {name for entry in SPECIES.values() for names in entry.get("sources", {}).values()
            for name in names}  # fmt: skip
    assert used == set(SOURCES)
    for name, source in SOURCES.items():
        assert set(source) == {"title", "url", "read"}, name
        address = urlsplit(source["url"])
        assert address.scheme == "https"
        assert "." in address.netloc
        assert address.username is None
        assert " " not in source["url"]
        assert source["title"]
        assert source["read"]


def test_the_words_of_a_season() -> None:
    assert Season(8, 4).months() == (8, 9, 10, 11, 12, 1, 2, 3, 4)
    assert Season(8, 4).text("en") == "August to April"
    assert Season(10, 10).text("fr") == "octobre"
    assert Season(1, 12, imported=True).text("fr") == "d’importation, toute l’année"
    assert Season(imported=True).text("en") == "imported"
    assert Season(imported=True).months() == ()


def test_a_species_reads_in_each_language() -> None:
    apple = species_of("Golden-Delicious")
    assert apple is not None
    english, french = apple.text("en"), apple.text("fr")
    assert (english.with_article, french.with_article) == ("an apple", "une pomme")
    assert (english.season, french.season) == ("August to April", "août à avril")
    assert "vulnerable" in (english.diversity or "")
    assert {source.url.split("/")[2] for source in apple.sources["diversity"]} == {
        "ebi.ac.uk",
        "globaltrees.org",
    }
    with pytest.raises(KeyError):
        apple.text("de")


def test_what_is_missing_is_none_in_the_text_too() -> None:
    granadilla = species_of("Granadilla 1")
    assert granadilla is not None
    assert granadilla.text("fr").keeping is None
    assert "keeping" in granadilla.missing


def test_a_species_cannot_be_changed() -> None:
    apple = species_of("apple")
    assert apple is not None
    assert apple is species_of("Pink-Lady")
    with pytest.raises(AttributeError):
        apple.key = "pear"  # type: ignore[misc]
    with pytest.raises(TypeError):
        apple.names["en"] = apple.names["fr"]  # type: ignore[index]
