"""A network of timm, or weights of one in a file → ONNX. The only module that imports torch."""

from __future__ import annotations

import dataclasses
import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from verger.embed import Card, InputSpec
from verger.errors import BackboneError
from verger.export.needed import needed

_OPSET = 17
_IN_A_TRAINER_S_FILE = ("state_dict_ema", "state_dict", "model_ema", "model")


@dataclasses.dataclass(frozen=True, slots=True)
class TorchModel:
    """A network of torch, ready to be exported. `card` has no SHA-256 yet."""

    card: Card
    module: Any  # uint8 (N, size, size, 3) → float32 (N, features)

    def features(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run it in torch."""
        torch = needed("torch")
        with torch.no_grad():
            features: npt.NDArray[np.float32] = self.module(torch.from_numpy(photos)).numpy()
        return features

    def as_onnx(self) -> bytes:
        """Export it; only the number of photos stays free."""
        torch, out = needed("torch"), io.BytesIO()
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


def from_weights(file: Path, architecture: str | None, image_size: int | None) -> TorchModel:
    """Make a network of timm with the weights in a file (a state_dict, or a trainer's file).

    architecture: its name in timm; without, what the file itself says

    Weights that have other names but the same shapes in the same order are taken in that order.
    The file is read as tensors only: no code in it is run. Raises `BackboneError` where it does
    not fit.
    """
    torch = needed("torch")
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BackboneError(f"No such file: {file}") from None
    except Exception as error:  # noqa: BLE001 - unpickling hostile bytes raises anything
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BackboneError(f"{file} holds no weights of torch: {said[:200]}") from None
    if not isinstance(loaded, dict):
        raise BackboneError(f"{file} holds no weights by name.")
    architecture = architecture or loaded.get("arch")
    if not isinstance(architecture, str):
        raise BackboneError(
            f"{file} does not say which network its weights are of.",
            hint="Name it: --architecture, as timm calls it.",
        )
    weights = next((loaded[key] for key in _IN_A_TRAINER_S_FILE if key in loaded), loaded)
    model = _created(architecture, image_size, pretrained=False, classes=None)
    model.load_state_dict(_fitted(weights, model.state_dict(), file, architecture))
    model.reset_classifier(0)
    made = _wrapped(architecture, model, image_size)
    card = dataclasses.replace(made.card, name=file.stem, license="unknown")
    return dataclasses.replace(made, card=card)


def _created(
    name: str, image_size: int | None, *, pretrained: bool, classes: int | None = 0
) -> Any:
    timm = needed("timm")
    if not timm.is_model(name.partition(".")[0]):
        raise BackboneError(
            f"timm knows no network {name!r}.", hint="https://huggingface.co/timm lists them."
        )
    options: dict[str, Any] = {"pretrained": pretrained}
    if classes is not None:
        options["num_classes"] = classes
    try:
        if image_size is not None:
            try:  # networks whose positions are learnt are told the side; others take any
                return timm.create_model(name, img_size=image_size, **options).eval()
            except TypeError:
                pass
        return timm.create_model(name, **options).eval()
    except Exception as error:  # noqa: BLE001 - the hub's, torch's and timm's share no base
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BackboneError(f"timm cannot make {name}: {said[:200]}") from None


def _fitted(weights: Any, wanted: dict[str, Any], file: Path, architecture: str) -> dict[str, Any]:
    """Return the weights under the names that the network has for them."""
    torch = needed("torch")
    if not isinstance(weights, dict):
        raise BackboneError(f"{file} holds no weights by name.")
    tensors = {
        str(key).removeprefix("module."): value
        for key, value in weights.items()
        if isinstance(value, torch.Tensor)
    }
    if set(tensors) == set(wanted):
        found = tensors
    else:
        found = dict(zip(wanted, tensors.values(), strict=False))
    if len(tensors) != len(wanted) or any(found[k].shape != wanted[k].shape for k in wanted):
        raise BackboneError(f"The weights in {file} are not those of a {architecture}.")
    return found


def _wrapped(name: str, model: Any, image_size: int | None) -> TorchModel:
    torch, timm = needed("torch"), needed("timm")
    config = timm.data.resolve_data_config({}, model=model)
    size = image_size or config["input_size"][-1]
    shorter = max(size, math.floor(size / config["crop_pct"]))
    mean, std = (torch.tensor(config[key]).reshape(1, 3, 1, 1) * 255 for key in ("mean", "std"))

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
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BackboneError(
            f"{name} does not take photos of {size} × {size}: {said[:200]}"
        ) from None
    if features.ndim != 2:
        raise BackboneError(f"{name} gives no row of features: {list(features.shape)}.")
    spec = InputSpec("images", "NHWC", "uint8", size=size, views=(shorter,))
    license_ = str(getattr(model, "pretrained_cfg", {}).get("license") or "unknown")
    card = Card(
        name, "", spec, "features", int(features.shape[1]), license_, f"{name} of timm, pooled."
    )
    return TorchModel(card, module)
