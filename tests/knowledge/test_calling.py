"""Labels as people say them."""

from __future__ import annotations

import pytest

from verger.knowledge import called
from verger.knowledge.calling import plain


@pytest.mark.parametrize(
    ("label", "french"),
    [
        ("Fig", "Figue"),
        ("Figs", "Figue"),
        ("Yellow-Onion", "Oignon jaune"),
        ("Cherry Wax Black 1", "Cerise Wax noire 1"),
        ("Apple Golden 1", "Pomme Golden 1"),
        ("Apple Pink Lady 1", "Pomme Pink Lady 1"),  # a name, no colour
        ("Red-Delicious", "Red Delicious"),
        ("Galia-Melon", "Melon Galia"),
        ("Melon Galia", "Melon Galia"),
        ("Red-Bell-Pepper", "Poivron rouge"),
        ("Tomato Cherry Red 2", "Tomate cerise rouge 2"),
        ("Sweet-Potato", "Patate douce"),
        ("Garlic", "Ail"),
        ("Peach", "Pêche"),
        ("Nectarine Flat", "Nectarine plate"),
        ("Zucchini", "Courgette"),
        ("Eggplant long 1", "Aubergine longue 1"),
        ("Blood-Orange", "Orange sanguine"),
        ("Chili", "Piment"),
        ("Red-Chilli-Pepper", "Piment rouge"),
        ("Satsumas", "Satsumas"),
        ("Oignon jaune", "Oignon jaune"),
    ],
)
def test_in_french_the_noun_comes_first(label: str, french: str) -> None:
    words = called(label)
    assert words
    assert words["fr"] == french


@pytest.mark.parametrize(
    ("label", "english"),
    [
        ("Yellow-Onion", "Yellow Onion"),
        ("Asparagus", "Asparagus"),
        ("Oignon jaune", "Yellow onion"),
        ("tomates cerises", "Cherry tomato"),
        ("Chili", "Chili"),
        ("Poire_Conference", "Pear Conference"),
    ],
)
def test_in_english(label: str, english: str) -> None:
    words = called(label)
    assert words
    assert words["en"] == english


@pytest.mark.parametrize(
    "label", ["Arla-Milk 2", "", "---", "<b>x</b>", "\u202e\u0000", "☃" * 5000]
)
def test_what_names_no_species_is_called_nothing(label: str) -> None:
    assert called(label) is None
    assert plain(label) or not label


@pytest.mark.parametrize("label", ["apple " * 2000, "apple" + "\u0301" * 500, "apple-<img src=x>"])
def test_hostile_labels(label: str) -> None:
    words = called(label)
    assert words is None or set(words) == {"en", "fr"}
