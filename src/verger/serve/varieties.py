"""What the API tells of a gallery: its labels with their photos and species, and answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from verger.gallery import Answer, Gallery
from verger.knowledge import Species, all_species, called
from verger.knowledge.naming import key_of
from verger.serve import schemas
from verger.texts import LANGUAGES

_EXAMPLES = 24
_THUMBNAILS_KEPT = 1024  # of about 3 kB each


class Catalogue:
    """A gallery as the API shows it. Counting is done once.

    shorter_side: pixels of a photo's shorter side that the network can make use of
    """

    def __init__(self, gallery: Gallery, shorter_side: int) -> None:
        self.gallery = gallery
        photos = {label: gallery.photos_of(label) for label in gallery.labels}
        self._counts = {label: len(ids) for label, ids in photos.items()}
        self._examples = {label: _spread(ids, _EXAMPLES) for label, ids in photos.items()}
        self._labels_of: dict[str, list[str]] = {}
        for label, group in zip(gallery.labels, gallery.groups, strict=True):
            self._labels_of.setdefault(group, []).append(label)
        self._cards = {species.key: _card(species) for species in all_species()}
        self._card_of = {label: self._cards.get(key_of(label) or "") for label in gallery.labels}
        self.thumbnail = lru_cache(_THUMBNAILS_KEPT)(gallery.thumbnail)
        summaries = [self._summary(label) for label in gallery.labels if self._counts[label]]
        text = repr((gallery.photos, [(s.label, s.photos, s.photo) for s in summaries]))
        self.labels = schemas.Labels(
            gallery=hashlib.sha256(text.encode()).hexdigest()[:12],
            photos=gallery.photos,
            shorter_side=shorter_side,
            labels=summaries,
        )

    def _summary(self, label: str) -> schemas.LabelSummary:
        card = self._card_of[label]
        return schemas.LabelSummary(
            label=label,
            photos=self._counts[label],
            photo=self._examples[label][0],
            species=_key(card),
            scientific_name=card.scientific_name if card else None,
            names=card.names if card else None,
            called=_words(called(label)),
        )

    def card(self, label: str) -> schemas.Species | None:
        """Return what is known of a label's species, or None."""
        return self._card_of[label]

    def label(self, label: str) -> schemas.Label | None:
        """Return one label, or None where there is none of that name."""
        if not self._counts.get(label):
            return None
        examples = [
            schemas.ExamplePhoto(photo=photo, path=self.gallery.path(photo))
            for photo in self._examples[label]
        ]
        return schemas.Label(
            gallery=self.labels.gallery,
            label=label,
            photos=self._counts[label],
            examples=examples,
            species=self._card_of[label],
        )

    def identification(self, answer: Answer) -> schemas.Identification:
        """Return an answer with the photos and the species that belong to it."""
        labels = [
            schemas.LabelGuess(
                label=guess.name,
                confidence=_share(guess.confidence),
                species=_key(self._card_of[guess.name]),
                photo=next(iter(self._examples[guess.name]), None),
            )
            for guess in answer.labels
        ]
        groups = [
            schemas.GroupGuess(
                group=guess.name,
                confidence=_share(guess.confidence),
                species=_key(self._cards.get(guess.name)),
                photo=self._photo_of_group(guess.name, labels),
            )
            for guess in answer.groups
        ]
        named = [guess.species for guess in groups] + [guess.species for guess in labels]
        return schemas.Identification(
            gallery=self.labels.gallery,
            verdict=answer.verdict.value,
            close=answer.close,
            confidence=_share(answer.confidence),
            known=_share(answer.known),
            labels=labels,
            groups=groups,
            neighbours=answer.as_json()["neighbours"],
            photos=answer.photos,
            species={key: self._cards[key] for key in dict.fromkeys(named) if key},
        )

    def identification_before(self, answer: Answer) -> str:
        """Return an answer as the paths without a version give it, JSON: three verdicts, shares."""
        told = self.identification(answer).model_dump(exclude={"close", "confidence"})
        told["verdict"] = answer.verdict.value if answer.verdict.names else "unsure"
        for guesses, listed in ((answer.labels, told["labels"]), (answer.groups, told["groups"])):
            for guess, one in zip(guesses, listed, strict=True):
                one["confidence"] = _share(guess.share)
            listed.sort(key=lambda one: -one["confidence"])
        for group in told["groups"]:
            del group["photo"]
        return json.dumps(told, ensure_ascii=False)

    def _photo_of_group(self, group: str, likeliest: Sequence[schemas.LabelGuess]) -> int | None:
        """Return a photo of a group: of its likeliest label, else of its first."""
        mine = self._labels_of.get(group, ())
        named = [guess.label for guess in likeliest if guess.label in mine]
        photos = (photo for label in (*named, *mine) for photo in self._examples[label])
        return next(photos, None)


def _spread(ids: list[int], most: int) -> list[int]:
    """Take some of a label's photos, evenly: its first ones are often of one single fruit."""
    if len(ids) <= most:
        return ids
    return [ids[number * len(ids) // most] for number in range(most)]


def _share(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)


def _key(card: schemas.Species | None) -> str | None:
    return card.key if card else None


def _card(species: Species) -> schemas.Species:
    sources: dict[str, schemas.Source] = {}
    for fact, read in species.sources.items():
        for source in read:
            entry = sources.setdefault(
                source.key, schemas.Source(title=source.title, url=source.url, facts=[])
            )
            entry.facts.append(fact)
    texts = {language: species.text(language) for language in LANGUAGES}
    names = {
        language: schemas.Name(name=text.name, plural=text.plural, with_article=text.with_article)
        for language, text in texts.items()
    }
    season = None
    if species.season:
        words = {language: text.season or "" for language, text in texts.items()}
        season = schemas.Season(months=list(species.season.months()), words=schemas.Words(**words))
    return schemas.Species(
        key=species.key,
        scientific_name=species.scientific_name,
        family=species.family,
        names=schemas.Names(**names),
        origin=_words(species.origin),
        season=season,
        keeping=_words(species.keeping),
        diversity=_words(species.diversity),
        sources=list(sources.values()),
    )


def _words(texts: Mapping[str, str] | None) -> schemas.Words | None:
    return schemas.Words(**texts) if texts else None
