"""Label names: every known data set's labels name the right species, however they are written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verger.demo.orchard import RECIPES
from verger.demo.render import VARIETIES
from verger.knowledge import all_species, group_of, species_of
from verger.knowledge.naming import _rules, words

LISTS = Path(__file__).parent.parent / "fixtures" / "labels"


def read(file: str) -> dict[str, str]:
    lines = (LISTS / file).read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" | ") for line in lines if not line.startswith("#"))
    return {label: "" if key == "-" else key for label, key in pairs}


FRUITS_360 = read("fruits-360.txt")
GROCERY_STORE = read("grocery-store.txt")
OWN = read("as-people-write.txt")
EVERY = FRUITS_360 | GROCERY_STORE | OWN


def key(label: str) -> str:
    species = species_of(label)
    return species.key if species else ""


@pytest.mark.parametrize("labels", [FRUITS_360, GROCERY_STORE, OWN], ids=["360", "grocery", "own"])
def test_every_label_names_the_species_that_is_meant(labels: dict[str, str]) -> None:
    assert {label: key(label) for label in labels} == labels


def labelled_keys() -> set[str]:
    """Return the keys of the species that labels.toml names."""
    return {key for rank in _rules().ranks for key in rank.values()} - {""}


def test_only_nuts_of_no_kind_have_no_species_in_fruits_360() -> None:
    without = {label for label, meant in FRUITS_360.items() if not meant}
    assert without == {"Nut 1", "Nut 2", "Nut 3", "Nut 4", "Nut 5"}
    assert len(FRUITS_360) > 250


def test_packages_of_the_shop_name_no_species_and_keep_a_group_each() -> None:
    packages = [label for label, meant in GROCERY_STORE.items() if not meant]
    assert len(packages) >= 31
    groups = {group_of(label) for label in packages}
    assert len(groups) == len(packages)
    assert groups.isdisjoint(labelled_keys())
    assert (
        group_of("Arla-Standard-Milk 2") == group_of("arla_standard_milk") == ("arla-standard-milk")
    )


def test_every_variety_of_the_demo_has_a_species() -> None:
    assert VARIETIES
    assert len(RECIPES) >= 38
    assert [name for name in RECIPES if species_of(name) is None] == []


def test_the_group_of_a_known_label_is_its_species_key() -> None:
    assert {label: group_of(label) for label in EVERY if EVERY[label]} == {
        label: meant for label, meant in EVERY.items() if meant
    }


def test_each_species_has_labels_and_its_key_and_names_lead_back_to_it() -> None:
    keys = {species.key for species in all_species()}
    assert labelled_keys() == keys
    for species in all_species():
        assert key(species.key) == species.key
        one, many = species.names["fr"].one, species.names["fr"].many
        assert {key(one), key(many), key(species.names["en"].one)} == {species.key}


def test_no_phrase_is_in_two_ranks() -> None:
    names, shared, varieties = (set(rank) for rank in _rules().ranks)
    assert not names & shared
    assert not names & varieties
    assert not shared & varieties


@given(st.sampled_from(sorted(label for label in EVERY if words(label))), st.data())
def test_capitals_numbers_and_separators_do_not_matter(label: str, data: st.DataObject) -> None:
    separator = data.draw(st.sampled_from([" ", "-", "_", " - ", ".", "/"]))
    number = data.draw(st.sampled_from(["", " 1", "_12", "-003", "7"]))
    flips = data.draw(st.lists(st.booleans(), min_size=len(label), max_size=len(label)))
    written = separator.join(re.findall(r"[^\W\d_]+", label)) + number
    mixed = "".join(
        c.upper() if up else c.lower()
        for c, up in zip(written, flips + [False] * len(written), strict=False)
    )
    assert key(mixed) == EVERY[label]
    assert group_of(mixed) == group_of(label)


@given(st.text(max_size=60))
def test_any_text_has_a_group_and_at_most_one_species(label: str) -> None:
    species = species_of(label)
    assert group_of(label) == (species.key if species else group_of(label))
    assert group_of(label) or not label.strip()


def test_part_of_a_word_names_nothing() -> None:
    for label in ("Appleton", "Pearl", "Figment", "Datebook", "Plumber", "Limestone", "Aile"):
        assert key(label) == ""


def test_two_species_named_alike_leave_the_label_without_one() -> None:
    for label in ("Apple and Tomato", "Pear / Peach", "pomme, tomate", "Lemon Lime"):
        assert key(label) == ""


def test_a_very_long_label_is_cut_and_answered() -> None:
    assert key("apple " * 100_000) == "apple"
