"""An answer in words, as people name species."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verger.gallery import Answer, Verdict
from verger.gallery.answer import Guess


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
            "un fruit de la passion ou arla standard milk",
        ),
    ],
)
def test_species_go_by_their_names(verdict: str, english: str, french: str) -> None:
    told = answer(Verdict(verdict))
    assert str(told) == english
    assert told.said("fr") == french


def test_a_name_with_the_words_of_an_answer_stays_as_it_is() -> None:
    groups = tuple(Guess(name, 0.4, 0.4) for name in ("plum_or_prune_{0}", "unlike anything here"))
    told = replace(answer(Verdict("ambiguous")), groups=groups, close=True)
    assert told.said("fr") == "plum or prune {0} ou unlike anything here (de justesse)"
    labelled = replace(told, verdict=Verdict("variety"), labels=(Guess("A or B", 0.9, 0.9),))
    assert labelled.said("fr") == "A or B (de justesse)"


def test_what_is_like_nothing_is_said_in_each_language() -> None:
    told = replace(answer(Verdict("unknown")), close=True)
    assert told.said("fr") == "ne ressemble à rien d’ici (de justesse)"
    assert replace(told, labels=(), close=False).said("fr") == (
        "les photos d’ici n’ont pas d’étiquettes"
    )
