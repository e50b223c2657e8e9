"""From shares among what a gallery holds to honest probabilities, which count what it lacks.

The shares of the labels add up to one, as if the fruit had to be one of them. A species is right
with the probability that a logistic regression gives, of its share and of how familiar the photo
is; a label is right with that probability times another one: of its share in its species.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]

_MOST_SURE = 1e-4  # shares beyond count as this far from 0 and 1
_TINY = 1e-12


@dataclasses.dataclass(frozen=True, slots=True)
class Trust:
    """P(the likeliest is right) = sigmoid(a · logit(its share) + b · f + c).

    f is the familiarity; a and b are not negative. The defaults take the share as it is.
    """

    share: float = 1.0
    familiarity: float = 0.0
    offset: float = 0.0

    def probability(self, shares: Doubles, familiarities: Doubles) -> Doubles:
        """Return the probability that the likeliest is right: float64 (m,)."""
        at = (self.share, self.familiarity, self.offset)
        return sigmoid(trust_features(shares, familiarities) @ np.array(at))


def by_group(shares: Doubles, groups: Ids) -> Doubles:
    """Add up the shares (m, L) of the labels of each group: float64 (m, G)."""
    sums = np.zeros((len(shares), int(groups.max(initial=-1)) + 1))
    np.add.at(sums.T, groups, shares.T)
    return sums


class Honest:
    """The probabilities of m queries: of each group (m, G), and of each label (m, L).

    shares:   float64 (m, L), of the labels, which add up to 1
    groups:   (L,), the group of each label
    there:    bool (m, L), which labels are in the gallery at all
    known:    trust in the likeliest group
    within:   trust in the likeliest label of that group, given that the group is right
    """

    def __init__(
        self,
        shares: Doubles,
        familiarities: Doubles,
        groups: Ids,
        there: Booleans,
        known: Trust,
        within: Trust,
    ) -> None:
        sums = by_group(shares, groups)
        best = sums.argmax(axis=1)
        self.members = (groups[None, :] == best[:, None]) & there
        self.single = self.members.sum(axis=1) == 1
        self.inside = shares / np.maximum(sums[:, groups], _TINY)
        mine = np.where(self.members, self.inside, 0.0)
        # Of a group with one label there is nothing to be in doubt about.
        first = np.where(self.single, 1.0, within.probability(mine.max(axis=1), familiarities))
        inside = np.where(self.members, rescaled(mine, first), self.inside)
        self.groups = rescaled(sums, known.probability(sums.max(axis=1), familiarities))
        self.labels = self.groups[:, groups] * inside


def rescaled(shares: Doubles, firsts: Doubles) -> Doubles:
    """Give the largest of each row of shares (m, n) another value, and the others what is left.

    These keep their proportions, and none of them grows.
    """
    rows, best = np.arange(len(shares)), shares.argmax(axis=1)
    was = shares[rows, best]
    less = np.minimum(firsts / np.maximum(was, _TINY), (1 - firsts) / np.maximum(1 - was, _TINY))
    scaled = shares * less[:, None]
    scaled[rows, best] = firsts
    return np.asarray(scaled)


def trust_features(shares: Doubles, familiarities: Doubles) -> Doubles:
    """Return what trust is a logistic regression on: float64 (m, 3)."""
    clipped = np.clip(shares, _MOST_SURE, 1 - _MOST_SURE)
    logits = np.log(clipped) - np.log1p(-clipped)
    return np.stack([logits, familiarities, np.ones(len(logits))], axis=1)


def sigmoid(values: Doubles) -> Doubles:
    """Return 1 / (1 + exp(−values)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(values / 2)))
