"""What an identification answers: a verdict, ranked guesses, and the photos that speak for them."""

from __future__ import annotations

import dataclasses
from typing import Any

from verger.gallery.verdict import Verdict
from verger.knowledge import named
from verger.texts.catalogue import said


@dataclasses.dataclass(frozen=True, slots=True)
class Guess:
    """A label or a group.

    confidence: the probability that it is right, 0 to 1
    share:      the same given that the fruit is one of the gallery's; these add up to 1
    """

    name: str
    confidence: float
    share: float


@dataclasses.dataclass(frozen=True, slots=True)
class Neighbour:
    """A photo of the gallery near the photo asked about.

    photo:       its id, from 0 to the number of photos in the gallery less one
    path:        relative to the folder that was run on
    label:       None where it has none
    similarity:  cosine in the projected space, −1 to 1
    """

    photo: int
    path: str
    label: str | None
    similarity: float


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What one fruit is.

    verdict:     what is claimed, or which doubt there is
    close:       whether a shade of difference in the photo might give another verdict
    confidence:  the probability that what the verdict says is right: that label, that species, or
                 under `ambiguous` one of the two likeliest species; 0 under `unknown`
    labels:      the likeliest labels, most likely first
    groups:      the likeliest groups (species keys; a label without a species is its own group)
    known:       how usual this is for the gallery: the share of held-out photos named right that
                 were less like it, 0 to 1
    neighbours:  the nearest photos, nearest first
    photos:      how many photos of the fruit were looked at
    """

    verdict: Verdict
    close: bool
    confidence: float
    labels: tuple[Guess, ...]
    groups: tuple[Guess, ...]
    known: float
    neighbours: tuple[Neighbour, ...]
    photos: int

    def __str__(self) -> str:
        """Say in words what it claims, and what it is in doubt of."""
        return self.said()

    def said(self, language: str = "en") -> str:
        """Say so in a language, "en" or "fr"; a label stays as it is."""

        def words(name: str, *names: str) -> str:
            return str(texts[f"answers.{name}"]).format(*names)

        texts = said("terms", language)
        a = [named(guess.name, language, article=True) for guess in self.groups[:2]]
        match self.verdict:
            case Verdict.VARIETY:
                claim = str(self.label)
            case Verdict.GROUP:
                claim = words("group", named(str(self.group), language))
            case Verdict.AMBIGUOUS:
                claim = words("either", *a) if len(a) > 1 else a[0]
            case Verdict.UNFAMILIAR:
                claim = words("unfamiliar", a[0])
            case Verdict.UNKNOWN:
                claim = words("unknown" if self.labels else "unlabelled")
        return words("close", claim) if self.close else claim

    @property
    def label(self) -> str | None:
        """The likeliest label, whatever the verdict; None where the gallery has no labels."""
        return self.labels[0].name if self.labels else None

    @property
    def group(self) -> str | None:
        """The likeliest group, whatever the verdict; None where the gallery has no labels."""
        return self.groups[0].name if self.groups else None

    @property
    def group_confidence(self) -> float:
        """The probability of the likeliest group; 0 where there is none."""
        return self.groups[0].confidence if self.groups else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain dicts, lists, strings and numbers."""
        return {
            "verdict": self.verdict.value,
            "close": self.close,
            "confidence": _short(self.confidence),
            "labels": [{"label": g.name, "confidence": _short(g.confidence)} for g in self.labels],
            "group": self.group,
            "group_confidence": _short(self.group_confidence),
            "groups": [{"group": g.name, "confidence": _short(g.confidence)} for g in self.groups],
            "known": _short(self.known),
            "neighbours": [
                dataclasses.asdict(n) | {"similarity": _short(n.similarity)}
                for n in self.neighbours
            ],
            "photos": self.photos,
        }


def _short(share: float) -> float:
    return round(share, 4)
