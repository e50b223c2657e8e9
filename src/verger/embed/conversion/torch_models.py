"""A network of timm, or weights of one in a file → ONNX. The only module that imports torch."""

from __future__ import annotations

import dataclasses
import io
import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from verger.embed import Card, InputSpec
from verger.embed.conversion.needed import library
from verger.embed.onnx_session import first_line
from verger.errors import BackboneError, UsageError

_OPSET = 17
_IN_A_TRAINER_S_FILE = ("state_dict_ema", "state_dict", "model_ema", "model")
_OF_CLASSIFIERS = 4  # tensors: weights and biases, of two at most


@dataclasses.dataclass(frozen=True, slots=True)
class TorchModel:
    """A network of torch, ready to be exported. `card` has no SHA-256 yet."""

    card: Card
    module: Any  # uint8 (N, size, size, 3) → float32 (N, features)

    def features(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run it in torch."""
        torch = library("torch")
        with torch.no_grad():
            features: npt.NDArray[np.float32] = self.module(torch.from_numpy(photos)).numpy()
        return features

    def as_onnx(self) -> bytes:
        """Export it; only the number of photos stays free."""
        torch, out = library("torch"), io.BytesIO()
        blank = torch.zeros(2, self.card.input.size, self.card.input.size, 3, dtype=torch.uint8)
        free = {self.card.input.name: {0: "n"}, self.card.output: {0: "n"}}
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter, to its own maintainers
            torch.onnx.export(
                self.module,
                (blank,),
                out,
                dynamo=False,
                opset_version=_OPSET,
                input_names=[self.card.input.name],
                output_names=[self.card.output],
                dynamic_axes=free,
            )
        return out.getvalue()


def from_timm(name: str, image_size: int | None) -> TorchModel:
    """Make a network of timm with its published weights, which timm fetches and keeps.

    Raises `BackboneError` for a name that timm does not know, and where there are no weights.
    """
    return _wrapped(name, _created(name, image_size, pretrained=True), image_size)


def from_weights(
    file: Path, architecture: str | None, image_size: int | None, pixels: str | None
) -> TorchModel:
    """Make a network of timm with the weights in a file (a state_dict, or a trainer's file).

    architecture: its name in timm; without, what the file itself says
    pixels:       "MEAN/SPREAD" of 0 to 255, one number or three; without, as timm says

    Weights that have other names but the same shapes in the same order are taken in that order.
    The file is read as tensors only: no code in it is run. Raises `BackboneError` where it does
    not fit, `UsageError` for `pixels` that are none.
    """
    scale = None if pixels is None else _scale(pixels)
    loaded = _read(file)
    architecture = architecture or loaded.get("arch")
    if not isinstance(architecture, str):
        raise BackboneError(
            f"{file} does not say which network its weights are of.",
            hint="Name it: --architecture, as timm calls it.",
        )
    weights = next((loaded[key] for key in _IN_A_TRAINER_S_FILE if key in loaded), loaded)
    model = _filled(weights, architecture, image_size, file)
    made = _wrapped(architecture, model, image_size, scale)
    card = dataclasses.replace(made.card, name=file.stem, license="unknown")
    return dataclasses.replace(made, card=card)


def _scale(pixels: str) -> tuple[Any, ...]:
    """Read "MEAN/SPREAD": two lists of one number or three."""
    try:
        mean, spread = ([float(n) for n in part.split(",")] for part in pixels.split("/"))
    except ValueError:
        mean, spread = [], []
    if {len(mean), len(spread)} - {1, 3} or not all(map(math.isfinite, mean + spread)):
        mean, spread = [], []
    if not mean or min(spread) <= 0:
        raise UsageError(
            f"--pixels {pixels} is not a mean and a standard deviation.",
            hint="Write it like this: 127/128, of 0 to 255.",
        )
    return mean, spread


def _read(file: Path) -> dict[Any, Any]:
    """Read a file of torch as tensors, numbers and names only."""
    torch = library("torch")
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BackboneError(f"No such file: {file}") from None
    except pickle.UnpicklingError as error:
        said = str(error)
        if "weights_only" in said:  # torch tells at length how to run the code in it
            said = "it is not a torch file, or contains code, which is never run"
        raise BackboneError(f"{file} holds no weights of torch: {said[:200]}.") from None
    except Exception as error:  # noqa: BLE001 - unpickling hostile bytes raises anything
        raise BackboneError(f"{file} holds no weights of torch: {first_line(error)}") from None
    if not isinstance(loaded, dict):
        raise BackboneError(f"{file} holds no weights by name.")
    return loaded


def _created(name: str, image_size: int | None, *, pretrained: bool) -> Any:
    """Make a network of timm, without its classifier."""
    timm = library("timm")
    if not timm.is_model(name.partition(".")[0]):
        raise BackboneError(
            f"timm knows no network {name!r}.", hint="timm.list_models() names them."
        )
    options: dict[str, Any] = {"pretrained": pretrained, "num_classes": 0, "exportable": True}
    # Padding as TensorFlow's is then worked out once, not for each photo, which is the same here
    # and cannot be quantised; timm keeps this behind a switch.
    library("timm.layers.conv2d_same")._USE_EXPORT_CONV = True
    try:
        if image_size is not None:
            try:  # networks whose positions are learnt are told the side; others take any
                return timm.create_model(name, img_size=image_size, **options).eval()
            except TypeError:
                pass
        return timm.create_model(name, **options).eval()
    except Exception as error:  # noqa: BLE001 - the hub's, torch's and timm's share no base
        raise BackboneError(
            f"timm cannot make {name}: {first_line(error)}",
            hint="Its weights come from the Hugging Face Hub; those in a FILE.pth need no network."
            if pretrained
            else "",
        ) from None


def _filled(weights: Any, architecture: str, image_size: int | None, file: Path) -> Any:
    """Make a network of timm, and fill it with weights of this or of its own size."""
    torch = library("torch")
    if not isinstance(weights, dict):
        raise BackboneError(f"{file} holds no weights by name.")
    tensors = {
        str(key).removeprefix("module."): value
        for key, value in weights.items()
        if isinstance(value, torch.Tensor)
    }
    for size in dict.fromkeys((image_size, None)):
        model = _created(architecture, size, pretrained=False)
        found = _fitted(tensors, model.state_dict())
        if found is not None:
            model.load_state_dict(found)
            if size != image_size and hasattr(model, "set_input_size"):
                model.set_input_size(img_size=(image_size, image_size))
            return model
    raise BackboneError(f"The weights in {file} are not those of a {architecture}.")


def _fitted(tensors: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Return the weights under the names that a network has for them; None where they differ.

    The network has no classifier; that of the weights, which may be of any classes, is left out.
    """
    if not 0 <= len(tensors) - len(wanted) <= _OF_CLASSIFIERS:
        return None
    if set(wanted) <= set(tensors):
        found = {name: tensors[name] for name in wanted}
    else:
        found = dict(zip(wanted, tensors.values(), strict=False))
    return found if all(found[name].shape == wanted[name].shape for name in wanted) else None


def _wrapped(
    name: str, model: Any, image_size: int | None, scale: tuple[Any, ...] | None = None
) -> TorchModel:
    torch, timm = library("torch"), library("timm")
    config = timm.data.resolve_data_config({}, model=model)
    size = image_size or config["input_size"][-1]
    shorter = max(size, math.floor(size / config["crop_pct"]))
    scale = scale or ([255 * n for n in config["mean"]], [255 * n for n in config["std"]])
    mean, std = (torch.tensor(part).reshape(1, -1, 1, 1) for part in scale)

    class OfPhotos(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.register_buffer("mean", mean)
            self.register_buffer("std", std)

        def forward(self, images: Any) -> Any:
            pixels = images.permute(0, 3, 1, 2).float()
            return self.model((pixels - self.mean) / self.std)

    module = OfPhotos().eval()
    try:
        with torch.no_grad():
            features = module(torch.zeros(2, size, size, 3, dtype=torch.uint8))
    except Exception as error:  # noqa: BLE001 - whatever a network raises
        raise BackboneError(
            f"{name} does not take photos of {size} × {size}: {first_line(error)}"
        ) from None
    if features.ndim != 2:
        raise BackboneError(f"{name} gives no row of features: {list(features.shape)}.")
    spec = InputSpec("images", "NHWC", "uint8", size=size, views=(shorter,))
    license_ = str(getattr(model, "pretrained_cfg", {}).get("license") or "unknown")
    card = Card(
        name, "", spec, "features", int(features.shape[1]), license_, f"{name} of timm, pooled."
    )
    return TorchModel(card, module)
