"""What the page's map needs beside where photos lie: their neighbours, and colours for labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from verger.knowledge import group_of, species_of
from verger.report.data import Report

HUES = 12  # colours that are told apart; the page has as many
_NUMBERED = re.compile(r"[\s_-]*\d+$")


def nearest_on_map(report: Report) -> list[list[int]]:
    """Return the nearest photos of each one on the map, of those that are on it, nearest first."""
    found = report.neighbours.among(report.map_rows)
    return [[at for at in row if at >= 0] for row in found.tolist()]


class Colours(NamedTuple):
    """Colours of labels, of which none is there twice.

    names:  what each colour stands for, the most frequent first
    groups: the place of each label's colour; -1 for those that have none
    own:    each label has a colour of its own
    """

    names: list[str]
    groups: list[int]
    own: bool


def colours(labels: Sequence[str | None], photos: Sequence[int], language: str) -> Colours:
    """Give each label its own colour, or, where there are too many, that of its species.

    photos: how many there are of each label; the most frequent species have the colours
    """
    known = [at for at, label in enumerate(labels) if label is not None]
    own = len(known) <= HUES
    keys = [None if label is None else label if own else group_of(label) for label in labels]
    counts: Counter[str] = Counter()
    for key, count in zip(keys, photos, strict=True):
        if key is not None:
            counts[key] += count
    first = [key for key, _ in counts.most_common(HUES)]
    places = {key: at for at, key in enumerate(first)}
    one_of = {key: str(labels[keys.index(key)]) for key in first}
    names = [one_of[key] if own else _species(one_of[key], language) for key in first]
    return Colours(names, [-1 if key is None else places.get(key, -1) for key in keys], own)


def _species(label: str, language: str) -> str:
    """Name the species of a label; one that names none stands as it is written, unnumbered."""
    species = species_of(label)
    if species is None:
        return _NUMBERED.sub("", label) or label
    name = species.text(language).name
    return name[:1].upper() + name[1:]
