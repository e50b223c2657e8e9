"""What may be claimed, and which doubt there is: one function decides, wherever a photo is named.

It is arithmetic on a few numbers and no more, so that the app of `verger app`, which has it in
JavaScript, decides as the server does. The bounds come from the gallery's calibration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

CLOSE = 0.02  # probability: so much the same photo differs after it was made smaller, at most
CLOSE_TO_NOTHING = 0.1  # the same of familiarity, in its standard deviations


class Verdict(StrEnum):
    """What an answer says."""

    VARIETY = "variety"  # this label; or the species, where the gallery has one label of it
    GROUP = "group"  # this species; which of its labels is not certain
    AMBIGUOUS = "ambiguous"  # a photo like others, but two species or more are as likely
    UNFAMILIAR = "unfamiliar"  # most like this species, but unlike the photos that there are
    UNKNOWN = "unknown"  # unlike any produce: nothing is said of it

    @property
    def names(self) -> bool:
        """Whether it claims a name."""
        return self in (Verdict.VARIETY, Verdict.GROUP)


@dataclasses.dataclass(frozen=True, slots=True)
class Bounds:
    """From where on something is claimed.

    variety: probability of a label
    group:   probability of a species
    unlike:  familiarity below which a photo is taken for no produce at all
    """

    variety: float = 0.6
    group: float = 0.6
    unlike: float = -1e6  # never


class Odds(NamedTuple):
    """What is known of one fruit.

    label:       probability that the likeliest label is right
    group:       probability that the likeliest species is right; not less than `label`
    usual:       what `group` would be, were the photo as familiar as most are
    familiarity: how much it is like the gallery, in standard deviations
    single:      whether the gallery has one label of that species
    """

    label: float
    group: float
    usual: float
    familiarity: float
    single: bool


def decide(odds: Odds, bounds: Bounds) -> tuple[Verdict, bool]:
    """Return the verdict, and whether it was close: a shade of difference might turn it."""
    close = abs(odds.familiarity - bounds.unlike) < CLOSE_TO_NOTHING
    if odds.familiarity < bounds.unlike:
        return Verdict.UNKNOWN, close
    if not odds.single:  # of a species with one label here, there is no variety to be in doubt of
        close = close or abs(odds.label - bounds.variety) < CLOSE
        if odds.label >= bounds.variety:
            return Verdict.VARIETY, close
    close = close or abs(odds.group - bounds.group) < CLOSE
    if odds.group >= bounds.group:
        return (Verdict.VARIETY if odds.single else Verdict.GROUP), close
    close = close or abs(odds.usual - bounds.group) < CLOSE
    return (Verdict.UNFAMILIAR if odds.usual >= bounds.group else Verdict.AMBIGUOUS), close


def confidence_of(verdict: Verdict, odds: Odds, groups: Sequence[float]) -> float:
    """Return the probability that what a verdict says is right.

    groups: the probabilities of the species, the largest first
    """
    if verdict is Verdict.UNKNOWN:
        return 0.0
    if verdict is Verdict.VARIETY and not odds.single:
        return odds.label
    return sum(groups[:2]) if verdict is Verdict.AMBIGUOUS else odds.group
