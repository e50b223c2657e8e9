"""An answer in words, as people name species."""

from __future__ import annotations

import pytest

from verger.gallery import Answer, Verdict
from verger.gallery.answer import Guess
from verger.texts.command import phrases


def answer(verdict: Verdict) -> Answer:
    groups = tuple(Guess(name, 0.4, 0.4) for name in ("passion_fruit", "arla-standard-milk"))
    labels = (Guess("Passion-Fruit 1", 0.4, 0.4),)
    return Answer(verdict, False, 0.4, labels, groups, 0.2, (), 1)


@pytest.mark.parametrize(
    ("verdict", "english", "french"),
    [
        ("variety", "Passion-Fruit 1", "Passion-Fruit 1"),
        (
            "group",
            "passion fruit, the variety is not certain",
            "fruit de la passion, la variété n’est pas sûre",
        ),
        (
            "unfamiliar",
            "most like a passion fruit, but unlike the photos here",
            "ressemble surtout à un fruit de la passion, mais pas aux photos d’ici",
        ),
        (
            "ambiguous",
            "a passion fruit or arla standard milk",
            "un fruit de la passion or arla standard milk",  # the table translates "or"
        ),
    ],
)
def test_species_go_by_their_names(verdict: str, english: str, french: str) -> None:
    told = answer(Verdict(verdict))
    assert str(told) == english
    assert phrases("fr").say(told.said("fr")) == french
