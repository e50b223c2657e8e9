"""What else a curator looks for: labels written in two ways or out of balance, and leaks.

A leak is a picture on more than one side of a split into training and test that folders tell.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from verger.report.duplicates import Duplicates
from verger.report.reading import Ints, Photos

TIMES = 3.0  # how many times the median a label has, or the median it
_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
}  # fmt: skip
_APART = re.compile(r"[\s_\-]+")


class Spellings(NamedTuple):
    """Labels that differ only in case, spaces, hyphens or the form of characters."""

    labels: tuple[str, ...]
    photos: tuple[int, ...]


def find_spellings(names: tuple[str, ...], counts: Ints) -> list[Spellings]:
    """Return the sets of labels that look like one written in several ways, the largest first."""
    sets: dict[str, list[int]] = defaultdict(list)
    for code, name in enumerate(names):
        folded = _APART.sub("", unicodedata.normalize("NFKC", name).casefold())
        sets[folded or name].append(code)
    found = [
        Spellings(tuple(names[code] for code in codes), tuple(int(counts[code]) for code in codes))
        for codes in sets.values()
        if len(codes) > 1
    ]
    return sorted(found, key=lambda one: -sum(one.photos))


def unbalanced(counts: Ints) -> list[int]:
    """Return the labels that have a third of the median number of photos, or three times it."""
    if not len(counts):
        return []
    median = float(np.median(counts))
    odd = np.flatnonzero((counts * TIMES < median) | (counts > median * TIMES))
    return [int(code) for code in odd[np.argsort(counts[odd], kind="stable")]]


def split_of(path: str) -> str | None:
    """Return which split the folders of a path tell: train, test or validation; None for none."""
    for folder in path.lower().split("/")[:-1]:
        if folder in _SPLITS:
            return _SPLITS[folder]
    return None


def find_leaks(photos: Photos, duplicates: Duplicates) -> list[slice]:
    """Return the groups of duplicates that are on more than one side, as slices of their rows."""
    starts = [0, *(np.flatnonzero(np.diff(duplicates.groups)) + 1).tolist(), len(duplicates.rows)]
    groups = [slice(*ends) for ends in pairwise(starts)] if len(duplicates.rows) else []
    return [group for group in groups if len(splits(photos, duplicates, group) - {None}) > 1]


def splits(photos: Photos, duplicates: Duplicates, group: slice) -> set[str | None]:
    """Return on which sides the photos of a group are."""
    return {split_of(photos.path(row)) for row in duplicates.rows[group].tolist()}
