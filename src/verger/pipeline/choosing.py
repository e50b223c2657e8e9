"""Which network sees the photos, how, and on what: as asked for, else as STORE was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from verger.embed import Backbone, open_backbone
from verger.embed.backbone import check_here
from verger.embed.card import Card, InputSpec, framing_of
from verger.pipeline.devices import chosen_device
from verger.progress import Reporter
from verger.settings import DEFAULT_BACKBONE, GPU_BACKBONE, OF_PROJECTION, RunSettings
from verger.store.language import language_of
from verger.store.record import as_option
from verger.store.store import Store


def chosen_backbone(
    store: Store, settings: RunSettings, reporter: Reporter
) -> tuple[Backbone, RunSettings]:
    """Open the backbone of a run; return the settings with its name, its device and its batches.

    A STORE grows on with the network and the views that it was made with, where no other is asked
    for. The settings of the projection are those given, each time: a line says where STORE has
    others. Raises `BackboneError`, `UsageError` where the device that is asked for cannot be had,
    and `StoreError` where the record of STORE cannot be read.
    """
    made = None if settings.overwrite else store.record_to_grow()
    _tell_what_differs(made or {}, settings, reporter)
    name = settings.backbone or (made["settings"]["backbone"] if made else None)
    if name and not settings.backbone:
        remedy = "Say where it is with --backbone, or give --overwrite to embed all photos again."
        check_here(name, str(store.root), remedy)
    if name and name.endswith(".onnx"):
        name = str(Path(name).absolute())  # STORE is read from other folders, too
    tried = name or (DEFAULT_BACKBONE if settings.device == "cpu" else GPU_BACKBONE)
    backbone = _opened(tried, settings, made)
    device = chosen_device(settings, tried, backbone, reporter)
    if name is None and device == "cpu" and tried != DEFAULT_BACKBONE:
        tried, backbone = DEFAULT_BACKBONE, _opened(DEFAULT_BACKBONE, settings, made)
    chosen = replace(settings, backbone=tried, device=device)
    return backbone, replace(chosen, batch_size=chosen.photos_a_batch)


def chosen_language(store: Store, settings: RunSettings) -> tuple[RunSettings, bool]:
    """Return the settings with the language of a run, and whether it differs from before."""
    before = language_of(store)
    language = settings.language or before
    return replace(settings, language=language), language != before


def _tell_what_differs(made: Mapping[str, Any], settings: RunSettings, reporter: Reporter) -> None:
    """Say with which options a matrix is made anew, and with which it would stay as it is."""
    then = {n: made["settings"][n] for n in OF_PROJECTION if n in made.get("settings", {})}
    other = [name for name, value in then.items() if value != getattr(settings, name)]
    if other:
        before = " ".join(as_option(name, then[name]) for name in other)
        now = " ".join(as_option(name, getattr(settings, name)) for name in other)
        reporter.say(
            f"The matrix is made with {now}; the one in STORE with {before}. To go on with that, "
            f"give {before}."
        )


def _opened(name: str, settings: RunSettings, made: Mapping[str, Any] | None) -> Backbone:
    """Open a backbone that sees photos as asked for, else as it saw those that STORE has."""
    stored = made["backbone"] if made else None
    size = stored["image_size"] if stored and not settings.backbone else None
    backbone = open_backbone(name, settings.image_size or size)
    if stored and stored["sha256"] != backbone.card.sha256:
        stored = None
    spec = _seen(backbone.card, settings, stored)
    if spec.size != backbone.card.input.size:
        return open_backbone(name, spec.size, spec.views)
    return replace(backbone, card=replace(backbone.card, input=spec))


def _seen(card: Card, settings: RunSettings, made: Mapping[str, Any] | None) -> InputSpec:
    """Return how the network sees photos. Several views stay as they are with `--accurate`."""
    spec = card.input
    if made:
        framing = framing_of(made)
        spec = replace(spec, size=framing.size, views=framing.views)
    spec = spec.resized(settings.image_size or spec.size)
    spec = spec.viewed(_views(settings) or spec.views)
    if not settings.accurate or len(spec.views) > 1:
        return spec
    return spec.resized(settings.image_size or card.accurate_size or spec.size).accurate()


def _views(settings: RunSettings) -> Sequence[int] | None:
    return None if settings.views is None else [int(view) for view in settings.views.split(",")]
