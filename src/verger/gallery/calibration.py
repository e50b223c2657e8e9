"""What turns evidence into an answer: numbers that were fitted to held-out photos, then stored.

Formulas and what each gave are in docs/identification.md; how they are fitted, in `fitting.py`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from verger.gallery.evidence import Evidence, Floats
from verger.gallery.odds import Booleans, Doubles, Honest, Ids, Trust
from verger.gallery.verdict import Bounds

LEVELS = np.linspace(0, 1, 101)
_USUAL = 50  # of the levels
_BEFORE = ("nearest", "mean", "centre", "spread", "familiarity", "variety", "group", "photos")
_AS_THEY_ARE, _USUAL_BOUNDS = Trust(), Bounds()
_UNLIKE_BEFORE = 3.0  # standard deviations below one right answer in a hundred


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """How evidence becomes an answer: plain numbers, which a gallery stores as they are.

    nearest, mean:       weights of a label's nearest photo and of its mean; not negative
    centre, spread:      of (best score, likeness) of held-out photos of labels in the gallery
    familiarity:         101 percentiles, increasing, of the familiarity of right answers
    group:               how far the likeliest species is to be trusted
    variety:             how far the likeliest label of that species is, given the species is right
    bounds:              from where on something is claimed
    photos:              how many photos were held out to fit it, each counted once; 0: defaults
    """

    nearest: float = 4.0
    mean: float = 10.0
    centre: tuple[float, float] = (0.0, 0.0)
    spread: tuple[float, float] = (1.0, 1.0)
    familiarity: tuple[float, ...] = ()
    group: Trust = _AS_THEY_ARE
    variety: Trust = _AS_THEY_ARE
    bounds: Bounds = _USUAL_BOUNDS
    photos: int = 0

    def scores(self, evidence: Evidence) -> Floats:
        """Return the score of each label: float32 (m, L)."""
        return np.asarray(
            self.nearest * evidence.nearest + self.mean * evidence.means, dtype=np.float32
        )

    def shares(self, evidence: Evidence) -> Doubles:
        """Return the probability of each label, given that it is one of them: float64 (m, L)."""
        return softmax(self.scores(evidence))

    def honest(
        self, shares: Doubles, familiarities: Doubles, groups: Ids, there: Booleans
    ) -> Honest:
        """Return the probabilities that count what the gallery lacks; see `Honest`."""
        return Honest(shares, familiarities, groups, there, self.group, self.variety)

    @property
    def usual(self) -> float:
        """The familiarity of half of all right answers, or more."""
        return self.familiarity[_USUAL] if self.familiarity else 0.0

    def familiarities(self, evidence: Evidence) -> Doubles:
        """Return how much like the gallery each query is, in standard deviations: float64 (m,)."""
        best = self.best(evidence)
        values = np.stack([best, evidence.likeness.astype(np.float64)])
        centre, spread = np.array(self.centre)[:, None], np.array(self.spread)[:, None]
        return np.asarray(((values - centre) / spread).sum(axis=0))

    def known(self, familiarities: Doubles) -> Doubles:
        """Return the share of right answers that were less familiar: float64 (m,), 0 to 1.

        Below the least familiar of them it goes on falling, and never reaches 0.
        """
        if not self.familiarity:
            return np.ones(len(familiarities))
        knots = np.array(self.familiarity)
        below = LEVELS[1] * np.exp(np.minimum(familiarities - knots[1], 0))
        inside = np.interp(familiarities, knots, LEVELS)
        return np.where(familiarities < knots[1], below, inside)

    def best(self, evidence: Evidence) -> Doubles:
        """Return the best score of each query, as a cosine: float64 (m,)."""
        total = self.nearest + self.mean
        return np.asarray(self.scores(evidence).max(axis=1) / total, dtype=np.float64)

    def as_record(self) -> dict[str, Any]:
        """Return it as a gallery stores it."""
        return dataclasses.asdict(self)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Read what `as_record` gave. Raises ValueError, KeyError, TypeError for anything else."""
        if set(raw) == set(_BEFORE):
            raw = _as_now(raw)
        if set(raw) != {field.name for field in dataclasses.fields(cls)}:
            raise ValueError("the calibration has other fields")
        nearest, mean = _number(raw["nearest"]), _number(raw["mean"])
        centre, spread = _pair(raw["centre"]), _pair(raw["spread"])
        knots = tuple(_number(value) for value in raw["familiarity"])
        if len(knots) not in (0, len(LEVELS)) or any(np.diff(knots) < 0):
            raise ValueError("the calibration's percentiles do not increase")
        if min(nearest, mean) < 0 or nearest + mean <= 0:
            raise ValueError("the calibration's weights are negative")
        if min(spread) <= 0:
            raise ValueError("the calibration's spread is not positive")
        photos = raw["photos"]
        if type(photos) is not int or photos < 0:
            raise ValueError(f"the calibration's photos are {photos!r}")
        return cls(
            nearest=nearest,
            mean=mean,
            centre=centre,
            spread=spread,
            familiarity=knots,
            group=Trust(**_numbers(raw["group"])),
            variety=Trust(**_numbers(raw["variety"])),
            bounds=Bounds(**_numbers(raw["bounds"])),
            photos=photos,
        )


def _as_now(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Read the calibration of a gallery of format 1, which told labels and species apart alone.

    What it learnt of species holds. Of labels, what it claims them from; its shares are taken as
    they are.
    """
    group, variety = dict(raw["group"]), dict(raw["variety"])
    bounds = {"variety": variety.pop("least"), "group": group.pop("least")}
    if raw["familiarity"]:
        bounds["unlike"] = _number(raw["familiarity"][1]) - _UNLIKE_BEFORE
    for trust in (group, variety):
        trust["share"] = trust.pop("confidence")
    if set(variety) != {"share", "familiarity", "offset"}:
        raise ValueError("the calibration has other fields")
    return {**raw, "group": group, "variety": {}, "bounds": bounds}


def softmax(scores: npt.NDArray[np.floating]) -> Doubles:
    """Return the softmax of each row, float64."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    shares = np.exp(shifted)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"the calibration holds {value!r}")
    return float(value)


def _pair(values: Any) -> tuple[float, float]:
    one, two = values
    return _number(one), _number(two)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: _number(value) for name, value in values.items()}
