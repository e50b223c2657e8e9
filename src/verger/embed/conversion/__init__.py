"""Other networks as backbones: rewritten, checked, quantised.

What comes out takes photos as they are and gives a row of features: see `export`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from verger.embed import Backbone, Card, Network, open_backbone
from verger.embed.conversion.fidelity import check_same, drawn_photos, features_of, kept, speed
from verger.embed.conversion.graph import as_backbone, pooled
from verger.embed.conversion.needed import library
from verger.embed.conversion.quantize import in_eight_bits, quantized
from verger.embed.conversion.sample_photos import choose
from verger.errors import BackboneError, UsageError
from verger.progress import Reporter
from verger.settings import DEFAULT_BACKBONE
from verger.storage.folder import LocalPlace

__all__ = ["Exported", "export"]

_TIMM = "timm:"
_CHECKED_ON = 8
SMALLEST, LARGEST = 32, 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """A backbone that was written.

    difference: largest difference of a feature of the float32 network from the original's
    notes:      what the user should know of choices made for them
    """

    card: Card
    file: Path
    difference: float
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Made:
    """The network that is written: the float32 one, or the same in eight bits.

    calibrated_on: the photos that made it one in eight bits, for the card
    """

    model: bytes
    card: Card
    difference: float
    notes: tuple[str, ...] = ()
    calibrated_on: dict[str, Any] | None = None


def export(
    source: str,
    output: Path,
    reporter: Reporter,
    *,
    int8: str | None = None,
    image_size: int | None = None,
    architecture: str | None = None,
    pixels: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a network as FILE.onnx and its card beside it, FILE.json.

    source: timm:NAME, FILE.pth (weights; `architecture` names their network, and `pixels` says what
            it takes of a photo, where that is not what timm says) or FILE.onnx
    int8:   PHOTOS to quantise it by; without, it stays float32

    Raises `UsageError` for an option that cannot be right and a library that is not installed,
    `BackboneError` for a network that cannot be a backbone, `PhotosError` for PHOTOS.
    """
    _check_source(source, image_size, architecture, pixels)
    card_file = _card_beside(output, overwrite=overwrite)
    library("onnx")
    made = _float32(source, image_size, architecture, pixels)
    if int8 is not None:
        made = _in_eight_bits(made, int8, reporter)
    sha256 = hashlib.sha256(made.model).hexdigest()
    card = dataclasses.replace(made.card, name=output.stem, sha256=sha256)
    if card.speed is None:
        rate = speed(Network(card, made.model), open_backbone(DEFAULT_BACKBONE).network())
        card = dataclasses.replace(card, speed=round(rate, 2))
    record = card.as_record()
    if made.calibrated_on:
        record["quantized"]["calibrated_on"] = made.calibrated_on
    _write(output, made.model)
    _write(card_file, (json.dumps(record, indent=2) + "\n").encode())
    open_backbone(str(output))  # what was written is what every command takes
    return Exported(card, output, made.difference, made.notes)


def _in_eight_bits(made: _Made, int8: str, reporter: Reporter) -> _Made:
    """Quantise the float32 network by some photos, and measure on others what that loses.

    Raises `UsageError` for one that is in eight bits already.
    """
    if in_eight_bits(made.model):
        raise UsageError("--int8: the network is in eight bits already.", hint="Leave it out.")
    chosen, notes = choose(int8, made.card.input.framing, reporter), made.notes
    if chosen.rejected:
        notes += (f"Photos of {int8} left out because they cannot be read: {chosen.rejected}.",)
    reporter.say(f"Calibrating on {len(chosen.calibration)} photos")
    model = quantized(made.model, chosen.calibration)
    original = features_of(Network(made.card, made.model), chosen.measure)
    lost = kept(features_of(Network(made.card, model), chosen.measure), original)
    was = made.card.description.rstrip(".")
    said = f"{was}, in whole numbers of 8 bits." if was else "In whole numbers of 8 bits."
    card = dataclasses.replace(made.card, loses=lost, description=said, speed=None)
    calibrated_on = {"place": chosen.place, "photos": chosen.calibrated}
    return _Made(model, card, made.difference, notes, calibrated_on)


def _card_beside(output: Path, *, overwrite: bool) -> Path:
    if output.suffix != ".onnx":
        raise UsageError(f"--output {output} must end in .onnx.")
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {output.parent}.")
    card_file = output.with_suffix(".json")
    for file in (output, card_file):
        if file.is_dir() or (file.exists() and not overwrite):
            raise UsageError(f"{file} exists.", hint="Give another name, or --overwrite.")
    return card_file


def _check_source(
    source: str, image_size: int | None, architecture: str | None, pixels: str | None
) -> None:
    """Refuse what needs no library to be refused."""
    if image_size is not None and not SMALLEST <= image_size <= LARGEST:
        raise UsageError(f"--image-size {image_size}: it goes from {SMALLEST} to {LARGEST}.")
    is_weights = _is_weights(source)
    for option, given in ("--architecture", architecture), ("--pixels", pixels):
        if given and not is_weights:
            raise UsageError(
                f"{option} is only for weights in a FILE.pth: other sources say it themselves."
            )
    if source.startswith(_TIMM):
        return
    if not is_weights and not source.endswith(".onnx"):
        raise UsageError(
            f"{source!r} is nothing that can be exported.",
            hint="Give timm:NAME, a FILE.pth of weights, or a FILE.onnx.",
        )
    if not Path(source).exists():
        raise BackboneError(f"No such backbone file: {source}")


def _is_weights(source: str) -> bool:
    return Path(source).suffix in (".pth", ".pt", ".bin")


def _float32(
    source: str, image_size: int | None, architecture: str | None, pixels: str | None
) -> _Made:
    is_weights = _is_weights(source)
    if source.startswith(_TIMM) or is_weights:
        from verger.embed.conversion.torch_models import from_timm, from_weights

        if is_weights:
            torch_model = from_weights(Path(source), architecture, image_size, pixels)
        else:
            torch_model = from_timm(source.removeprefix(_TIMM), image_size)
        model, card = torch_model.as_onnx(), torch_model.card
        photos = drawn_photos(_CHECKED_ON, card.input.size)
        theirs = torch_model.features(photos)
        return _checked(model, card, photos, theirs)
    made = _of_onnx(open_backbone(source, image_size))
    if image_size is None:
        return made
    # Its speed was measured at another size.
    return dataclasses.replace(made, card=dataclasses.replace(made.card, speed=None))


def _of_onnx(original: Backbone) -> _Made:
    network = original.network()
    photos = drawn_photos(_CHECKED_ON, original.card.input.size)
    output = network.output(photos[:2])
    model, card = as_backbone(original.model(), original.card, output)
    made_of = {"made_of": original.card.name, "sha256": original.card.sha256}
    card = dataclasses.replace(card, source={**card.source, **made_of})
    theirs = pooled(np.concatenate([network.output(photos[:4]), network.output(photos[4:])]))
    return _checked(model, card, photos, theirs, original.notes)


def _checked(
    model: bytes,
    card: Card,
    photos: npt.NDArray[np.uint8],
    theirs: npt.NDArray[np.float32],
    notes: tuple[str, ...] = (),
) -> _Made:
    ours = features_of(Network(card, model), photos)
    return _Made(model, card, check_same(card.name, ours, theirs), notes)


def _write(file: Path, content: bytes) -> None:
    try:
        LocalPlace(file.parent).put(file.name, content)
    except OSError as error:
        raise BackboneError(f"Cannot write {file}: {error.strerror}.") from None
