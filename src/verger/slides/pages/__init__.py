"""The slides, in the order in which they are shown. Each function draws one, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from verger.slides.deck import Deck
from verger.slides.pages import chain, closing, opening, results, running
from verger.slides.subject import Subject

PAGES: Sequence[Callable[[Deck, Subject], None]] = (
    opening.title,
    opening.problem,
    opening.data,
    chain.architecture,
    chain.bricks,
    chain.steps,
    results.components,
    results.map_of_photos,
    results.separation,
    results.neighbours,
    results.identification,
    running.health,
    running.speed,
    running.aws,
    closing.limits,
    closing.outlook,
)
