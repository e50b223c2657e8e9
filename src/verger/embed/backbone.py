"""Opening a backbone, and running it: photos in, features out."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from verger.embed.card import Card, InputSpec, guessed_input
from verger.embed.onnx_session import first_line, onnxruntime, open_session
from verger.errors import BackboneError


@dataclasses.dataclass(frozen=True, slots=True)
class Backbone:
    """A checked backbone: its card, and where the file is.

    It is small and holds no model, so it travels to workers; `network()` loads the model.
    """

    card: Card
    file: Path | None  # None: the file that the package ships, wherever a worker has it
    notes: tuple[str, ...] = ()  # what the user should know of choices made for them

    def network(self, gpu: int | None = None, threads: int = 1) -> Network:
        """Load the model, for so many threads, or onto the GPU of that index where one is named.

        Raises `BackboneError` if the file changed since it was checked, and `UsageError` where that
        GPU would not run it.
        """
        return Network(self.card, self.model(), gpu, threads)

    def model(self) -> bytes:
        """Read the ONNX file. Raises `BackboneError` where its SHA-256 is not the card's."""
        file = self.file or _shipped_folder() / f"{self.card.name}.onnx"
        return _read_checked(file, self.card.sha256)


class Network:
    """A loaded model, on threads of the processor, which change nothing of the result, or on a GPU.

    uint8 RGB photos (N, views, size, size, 3) → float32 (N, features), the mean over the views.
    """

    def __init__(self, card: Card, model: bytes, gpu: int | None = None, threads: int = 1) -> None:
        self.card = card
        self._session = open_session(model, card.name, gpu, threads)

    def __call__(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the features of a batch.

        Raises `BackboneError` if the model fails on it, or gives no row of finite numbers a photo.
        """
        count, views = photos.shape[:2]
        images = photos.reshape(count * views, *photos.shape[2:])
        features = np.ascontiguousarray(self.output(images), np.float32).reshape(len(images), -1)
        if not np.isfinite(features).all():
            raise BackboneError(f"Backbone {self.card.name} gives features that are not finite.")
        if views == 1:
            return features
        return np.asarray(features.reshape(count, views, -1).mean(axis=1))

    def output(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Return what the model gives for images (N, size, size, 3), in its own shape and dtype.

        Raises `BackboneError` if the model fails on them, or gives no numbers an image.
        """
        feed = {self.card.input.name: to_input(images, self.card.input)}
        try:
            (out,) = self._session.run([self.card.output], feed)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions share no base
            raise BackboneError(f"Backbone {self.card.name} failed: {first_line(error)}") from None
        out = np.asarray(out)
        shape, dtype = out.shape, out.dtype
        if dtype.kind not in "fiu" or len(shape) < 2 or shape[0] != len(images):
            raise BackboneError(
                f"Backbone {self.card.name} gives no row of numbers per photo: its output "
                f"{self.card.output!r} is {dtype}, shape {shape}, for {len(images)} photos."
            )
        return out


def open_backbone(
    name: str, image_size: int | None = None, views: Sequence[int] | None = None
) -> Backbone:
    """Open a backbone by name (one that the package ships) or by the path of an ONNX file.

    The card of FILE.onnx is FILE.json; without one, the input is guessed from the graph. Where
    `image_size` or `views` are given, they stand in the place of the card's. Raises `BackboneError`
    for an unknown name, a file that is no model, a model that takes no image or that does not give
    features, and an image size or views that do not fit it.
    """
    is_shipped = not name.endswith(".onnx")
    backbone = _shipped(name) if is_shipped else _from_file(Path(name))
    own = spec = backbone.card.input
    if image_size is not None:
        spec = spec.resized(image_size)
    if views is not None:
        spec = spec.viewed(views)
    backbone = dataclasses.replace(backbone, card=dataclasses.replace(backbone.card, input=spec))
    # One that is shipped is known to take its own size.
    return backbone if is_shipped and spec.size == own.size else _tried(backbone)


def check_here(name: str, store: str, remedy: str) -> None:
    """Raise `BackboneError`, with a remedy, where the file that a STORE was made with is gone."""
    if name.endswith(".onnx") and not Path(name).exists():
        raise BackboneError(
            f"{store} was made with the network {name}, which is not here.", hint=remedy
        )


def shipped_names() -> list[str]:
    """Return the names of the backbones that the package ships."""
    return sorted(file.stem for file in _shipped_folder().glob("*.onnx"))


def preload() -> None:
    """Import ONNX Runtime ahead of its use, in a process that workers are forked from."""
    onnxruntime()


def to_input(photos: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[Any]:
    """Turn uint8 RGB photos (N, H, W, 3) into what the network's input is."""
    batch: npt.NDArray[Any] = photos if spec.color == "RGB" else photos[..., ::-1]
    if spec.dtype == "float32":
        batch = batch.astype(np.float32) / np.float32(255)
        if spec.mean is not None and spec.std is not None:
            mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
            batch = (batch - mean) / std
    if spec.layout == "NCHW":
        batch = batch.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(batch)


def _shipped_folder() -> Path:
    return Path(str(resources.files("verger.embed") / "networks"))


def _shipped(name: str) -> Backbone:
    if name not in shipped_names():
        others = " `verger backbones export` makes one from a timm network, or from torch weights."
        raise BackboneError(
            f"No backbone is called {name!r}.",
            hint=f"Give one of {', '.join(shipped_names())}, or a file that ends in .onnx."
            + (others if name.startswith("timm:") or name.endswith((".pth", ".pt")) else ""),
        )
    return Backbone(Card.read(_shipped_folder() / f"{name}.json"), None)


def _from_file(file: Path) -> Backbone:
    try:
        model = file.read_bytes()
    except FileNotFoundError:
        raise BackboneError(f"No such backbone file: {file}") from None
    except OSError as error:
        raise BackboneError(f"Cannot read {file}: {error.strerror}.") from None
    sha256 = hashlib.sha256(model).hexdigest()
    beside = file.with_suffix(".json")
    if beside.exists():
        card = Card.read(beside)
        if card.sha256 != sha256:
            raise BackboneError(f"{beside} is the card of another file: the SHA-256 differ.")
        return Backbone(card, file.resolve())
    return _without_card(file, model, sha256)


def _without_card(file: Path, model: bytes, sha256: str) -> Backbone:
    session = open_session(model, str(file))
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise BackboneError(f"{file} cannot be a backbone: it has {len(inputs)} inputs, not one.")
    try:
        spec = guessed_input(inputs[0].name, list(inputs[0].shape), inputs[0].type)
    except BackboneError as error:
        raise BackboneError(
            f"{file} cannot be a backbone: {error.what}.", hint=error.hint
        ) from None
    card = Card(file.stem, sha256, spec, outputs[0].name, features=0)
    taken = f"{spec.dtype} {spec.layout}, views {spec.framing}"
    taken += ", ImageNet mean and spread" if spec.mean else ""
    card_name = file.with_suffix(".json").name
    note = f"{file.name} has no card ({card_name}): its input is taken as {taken}."
    return Backbone(card, file.resolve(), (note,))


def _tried(backbone: Backbone) -> Backbone:
    """Run the model once on blank photos: it must take the size and give a row of features."""
    card, model = backbone.card, backbone.model()
    size = card.input.size
    blank = np.zeros((2, len(card.input.views), size, size, 3), dtype=np.uint8)
    try:
        features = Network(card, model)(blank).shape[1]
    except BackboneError as error:
        raise BackboneError(
            f"Backbone {card.name} cannot be used on photos of {size} × {size} pixels.",
            hint=f"({error.what})",
        ) from None
    if card.features not in (0, features):
        raise BackboneError(
            f"Backbone {card.name} gives {features} features; its card says {card.features}."
        )
    return dataclasses.replace(backbone, card=dataclasses.replace(card, features=features))


@cache
def _read_checked(file: Path, sha256: str) -> bytes:
    """Read a model file whose SHA-256 must be the one given, once a process."""
    try:
        model = file.read_bytes()
    except OSError as error:
        raise BackboneError(f"Cannot read the backbone {file}: {error.strerror}.") from None
    if hashlib.sha256(model).hexdigest() != sha256:
        raise BackboneError(
            f"The backbone {file} is damaged: its SHA-256 is not the one on its card.",
            hint="Install Verger again, or restore the file.",
        )
    return model
