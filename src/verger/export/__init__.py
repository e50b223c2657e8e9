"""Other networks as backbones: rewritten, checked, quantised.

What comes out takes photos as they are and gives a row of features: see `export`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from verger.embed import Backbone, Card, Network, open_backbone
from verger.errors import BackboneError, UsageError
from verger.export.calibration import choose
from verger.export.fidelity import check_same, drawn_photos, features_of, kept, speed
from verger.export.graph import as_backbone, pooled
from verger.export.needed import needed
from verger.export.quantize import quantized
from verger.progress import Reporter
from verger.settings import DEFAULT_BACKBONE

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
class _Float32:
    """The float32 network that is written, or quantised."""

    model: bytes
    card: Card
    difference: float
    notes: tuple[str, ...] = ()


def export(
    source: str,
    output: Path,
    reporter: Reporter,
    *,
    int8: str | None = None,
    image_size: int | None = None,
    architecture: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a network as FILE.onnx and its card beside it, FILE.json.

    source:       timm:NAME, FILE.pth (weights; `architecture` names their network) or FILE.onnx
    int8:         PHOTOS to quantise it by; without, it stays float32

    Raises `UsageError` for an option that cannot be right and a library that is not installed,
    `BackboneError` for a network that cannot be a backbone, `PhotosError` for PHOTOS.
    """
    needed("onnx")
    card_file = _card_beside(output, overwrite=overwrite)
    made = _float32(source, image_size, architecture)
    model, card, notes = made.model, made.card, made.notes
    if int8 is not None:
        chosen = choose(int8, card.input.framing, reporter)
        if chosen.rejected:
            left_out = "is" if chosen.rejected == 1 else "are"
            notes += (
                f"{chosen.rejected} of the photos chosen in {int8} cannot be read, "
                f"and {left_out} left out.",
            )
        reporter.say(f"Quantising by {len(chosen.calibration)} photos")
        model = quantized(made.model, chosen.calibration)
        original = features_of(Network(card, made.model), chosen.measure)
        lost = kept(features_of(Network(card, model), chosen.measure), original)
        card = dataclasses.replace(card, loses=lost)
    name = output.stem
    card = dataclasses.replace(card, name=name, sha256=hashlib.sha256(model).hexdigest())
    default = open_backbone(DEFAULT_BACKBONE)
    rate = speed(Network(card, model), card, default.network(), default.card)
    card = dataclasses.replace(card, speed=round(rate, 2))
    _write(output, model)
    _write(card_file, (json.dumps(card.as_record(), indent=2) + "\n").encode())
    open_backbone(str(output))  # what was written is what every command takes
    return Exported(card, output, made.difference, notes)


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


def _float32(source: str, image_size: int | None, architecture: str | None) -> _Float32:
    if image_size is not None and not SMALLEST <= image_size <= LARGEST:
        raise UsageError(f"--image-size {image_size}: it goes from {SMALLEST} to {LARGEST}.")
    is_weights = Path(source).suffix in (".pth", ".pt", ".bin")
    if architecture and not is_weights:
        raise UsageError("--architecture says what the weights in a FILE.pth are of.")
    if source.startswith(_TIMM) or is_weights:
        from verger.export.torch_models import from_timm, from_weights

        if is_weights:
            torch_model = from_weights(Path(source), architecture, image_size)
        else:
            torch_model = from_timm(source.removeprefix(_TIMM), image_size)
        model, card = torch_model.as_onnx(), torch_model.card
        photos = drawn_photos(_CHECKED_ON, card.input.size)
        theirs = torch_model.features(photos)
        return _checked(model, card, photos, theirs)
    if source.endswith(".onnx"):
        return _of_onnx(open_backbone(source, image_size))
    raise UsageError(
        f"{source!r} is nothing that can be exported.",
        hint="Give timm:NAME, a FILE.pth of weights, or a FILE.onnx.",
    )


def _of_onnx(original: Backbone) -> _Float32:
    network = original.network()
    photos = drawn_photos(_CHECKED_ON, original.card.input.size)
    output = network.output(photos[:2])
    model, card = as_backbone(original.model(), original.card, output.shape)
    theirs = pooled(np.concatenate([network.output(photos[:4]), network.output(photos[4:])]))
    return _checked(model, card, photos, theirs, original.notes)


def _checked(
    model: bytes,
    card: Card,
    photos: npt.NDArray[np.uint8],
    theirs: npt.NDArray[np.float32],
    notes: tuple[str, ...] = (),
) -> _Float32:
    ours = features_of(Network(card, model), photos)
    return _Float32(model, card, check_same(card.name, ours, theirs), notes)


def _write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BackboneError(f"Cannot write {file}: {error.strerror}.") from None
