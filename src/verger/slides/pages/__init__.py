"""The slides, in the order in which they are shown. Each function draws one, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from verger.slides.deck import Deck
from verger.slides.pages import (
    axes,
    chain,
    closing,
    opening,
    privacy,
    results,
    running,
    weighing,
)
from verger.slides.subject import Subject

PAGES: Sequence[Callable[[Deck, Subject], None]] = (
    opening.title,
    opening.problem,
    opening.data,
    chain.architecture,
    chain.bricks,
    chain.steps,
    axes.axes,
    results.components,
    results.map_of_photos,
    results.separation,
    results.neighbours,
    results.identification,
    running.health,
    running.speed,
    running.aws,
    weighing.choices,
    privacy.personal_data,
    closing.limits,
    closing.outlook,
)
