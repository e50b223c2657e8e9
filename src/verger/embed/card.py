"""The card of a backbone: what it takes, what it gives, where it comes from, under what licence."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from verger.errors import BackboneError, UsageError
from verger.photos.decode import MOST_VIEWS, Framing

CARD_FORMAT = 1
LARGEST_SIDE = 4096  # pixels, of what a photo's shorter side is brought to
_SMALLEST_SIDE = 16
# What most networks trained on ImageNet expect, in units of the 0-1 range.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_DEFAULT_SIZE = 224
_ACCURATE = (1, 1.5, 2.5)  # the whole square, and its middle closer up: decision 38
LARGEST_ACCURATE_SIDE = int(LARGEST_SIDE / max(_ACCURATE))
_RESIZE_RATIO = 256 / 224  # the usual frame: shorter side to 256, centre crop 224


@dataclasses.dataclass(frozen=True, slots=True)
class InputSpec:
    """How a network wants a batch of photos.

    uint8 inputs take pixels as they are. float32 inputs take (pixel / 255 − mean) / std.

    views: for each view of a photo, how many pixels its shorter side is brought to before the
           central square of `size` is cut; a photo's features are the mean over its views
    """

    name: str
    layout: Literal["NHWC", "NCHW"]
    dtype: Literal["uint8", "float32"]
    color: Literal["RGB", "BGR"] = "RGB"
    size: int = _DEFAULT_SIZE
    views: tuple[int, ...] = (256,)
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    @property
    def framing(self) -> Framing:
        """The frame that photos are cut to."""
        return Framing(self.size, self.views)

    def resized(self, size: int) -> InputSpec:
        """Return the same input at another size, the shares that the views keep unchanged."""
        views = tuple(max(size, round(size * view / self.size)) for view in self.views)
        return dataclasses.replace(self, size=size, views=views)

    def accurate(self) -> InputSpec:
        """Return the same input with three views: the whole square, and two closer up.

        Raises `UsageError` where the square is too large for that.
        """
        if self.size > LARGEST_ACCURATE_SIDE:
            raise UsageError(
                f"--accurate takes squares of up to {LARGEST_ACCURATE_SIDE:,} pixels.",
                hint="Give a smaller --image-size, or say the views with --views.",
            )
        return self.viewed([round(self.size * closer) for closer in _ACCURATE])

    def viewed(self, views: Sequence[int]) -> InputSpec:
        """Return the same input with other views. Raises `UsageError` for ones that are none."""
        views = in_order(views)
        if not _are_views(views, self.size):
            raise UsageError(
                f"The views {Framing(self.size, views)} cannot be cut.",
                hint=f"Give 1 to {MOST_VIEWS} sides of {self.size} to {LARGEST_SIDE:,} pixels.",
            )
        return dataclasses.replace(self, views=views)


@dataclasses.dataclass(frozen=True, slots=True)
class QuantizationLoss:
    """What a network in eight bits keeps of the float32 one, on photos it was not calibrated on.

    measured_on:                those photos, in words
    mean_cosine, least_cosine:  similarity of the features of a photo
    nearest_neighbours_kept:    share of the photos whose nearest photo is still the same
    """

    measured_on: str
    mean_cosine: float
    least_cosine: float
    nearest_neighbours_kept: float


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """What is known of a backbone.

    features:    length of its output
    accurate_size: side of the input for several views, where a smaller one does for them
    loses:       what it keeps of the float32 network, where it is one in eight bits
    speed:       photos in the time in which the default backbone does one, where it was measured
    trained_on:  what it was trained on, where that is known
    source:      where it comes from, as its maker wrote it down
    """

    name: str
    sha256: str
    input: InputSpec
    output: str
    features: int
    license: str = "unknown"
    description: str = ""
    accurate_size: int | None = None
    loses: QuantizationLoss | None = None
    speed: float | None = None
    trained_on: str = ""
    source: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    def as_record(self) -> dict[str, Any]:
        """Return the card as it is written: `read` gives it back."""
        record = dataclasses.asdict(self)
        record["output"] = {"name": self.output, "features": record.pop("features")}
        loses = record.pop("loses")
        for known in ("accurate_size", "speed", "trained_on", "source"):
            if record[known] in (None, "", {}):
                del record[known]
        if loses is not None:
            record["quantized"] = {"loses": loses}
        return {"format": CARD_FORMAT, **record}

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a card. Raises `BackboneError` if it is none, or of a newer format."""
        try:
            return cls._parse(json.loads(file.read_bytes()))
        except FileNotFoundError:
            raise BackboneError(f"The backbone's card is missing: {file}") from None
        except (
            OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError
        ) as error:  # fmt: skip
            raise BackboneError(f"{file} is not a backbone card ({error!r}).") from None

    @classmethod
    def _parse(cls, raw: dict[str, Any]) -> Self:
        if raw["format"] != CARD_FORMAT:
            raise ValueError(f"format {raw['format']}; this version reads {CARD_FORMAT}")
        spec, out = raw["input"], raw["output"]
        if spec["layout"] not in ("NHWC", "NCHW") or spec["dtype"] not in ("uint8", "float32"):
            raise ValueError(f"input layout {spec['layout']}, dtype {spec['dtype']}")
        if spec.get("color", "RGB") not in ("RGB", "BGR"):
            raise ValueError(f"input color {spec['color']}")
        size = int(spec["size"])
        views = _views(spec, size)
        mean, std = _three(spec.get("mean")), _three(spec.get("std"))
        if (mean is None) != (std is None) or (mean and spec["dtype"] != "float32"):
            raise ValueError("input mean and std go together, with dtype float32")
        if mean and std and not (all(map(math.isfinite, mean + std)) and min(std) > 0):
            raise ValueError(f"input mean {mean}, std {std}")
        return cls(
            name=str(raw["name"]),
            sha256=str(raw["sha256"]).lower(),
            input=InputSpec(
                name=str(spec["name"]),
                layout=spec["layout"],
                dtype=spec["dtype"],
                color=spec.get("color", "RGB"),
                size=size,
                views=views,
                mean=mean,
                std=std,
            ),
            output=str(out["name"]),
            features=int(out["features"]),
            license=str(raw.get("license", "unknown")),
            description=str(raw.get("description", "")),
            accurate_size=_accurate_size(raw.get("accurate_size")),
            loses=_loses(raw.get("quantized")),
            speed=None if raw.get("speed") is None else float(raw["speed"]),
            trained_on=str(raw.get("trained_on", "")),
            source=dict(raw.get("source") or {}),
        )


def guessed_input(name: str, shape: list[Any], dtype: str) -> InputSpec:
    """Make the input of a model that has no card, from its graph.

    `shape` is the graph's (dynamic dimensions are names or None). A float32 input is taken to want
    ImageNet's usual mean and spread. Raises `BackboneError` where it is no image.
    """
    dtypes: dict[str, Literal["uint8", "float32"]] = {
        "tensor(uint8)": "uint8",
        "tensor(float)": "float32",
    }
    if dtype not in dtypes or len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise BackboneError(
            f"its input {name!r} ({dtype}, shape {shape}) is not a batch of RGB images",
            hint="It must be uint8 or float32, (N, 3, H, W) or (N, H, W, 3).",
        )
    layout: Literal["NHWC", "NCHW"] = "NCHW" if shape[1] == 3 else "NHWC"
    sides = shape[2:4] if layout == "NCHW" else shape[1:3]
    fixed = {side for side in sides if isinstance(side, int) and side > 0}
    if len(fixed) > 1:
        raise BackboneError(f"its input {name!r} is not square (shape {shape})")
    size = fixed.pop() if fixed else _DEFAULT_SIZE
    is_float = dtypes[dtype] == "float32"
    return InputSpec(
        name=name,
        layout=layout,
        dtype=dtypes[dtype],
        size=size,
        views=(round(size * _RESIZE_RATIO),),
        mean=IMAGENET_MEAN if is_float else None,
        std=IMAGENET_STD if is_float else None,
    )


def views_of(described: Mapping[str, Any]) -> tuple[int, ...]:
    """Read the views in a card's input, or in a run record, where one view has an older name."""
    views = described["views"] if "views" in described else [described["resize_shorter_side"]]
    return in_order([int(view) for view in views])


def framing_of(made: Mapping[str, Any]) -> Framing:
    """Read from a run record's description of a backbone how it saw photos."""
    return Framing(int(made["image_size"]), views_of(made))


def in_order(views: Sequence[int]) -> tuple[int, ...]:
    """Put views into the one order that they are kept in: their mean knows none."""
    return tuple(sorted(views))


def _views(spec: dict[str, Any], size: int) -> tuple[int, ...]:
    views = views_of({"resize_shorter_side": size, **spec})
    if size < _SMALLEST_SIDE or not _are_views(views, size):
        raise ValueError(f"input size {size}, views {views}")
    return views


def _are_views(views: Sequence[int], size: int) -> bool:
    fit = all(size <= view <= LARGEST_SIDE for view in views)
    return fit and 1 <= len(views) <= MOST_VIEWS


def _accurate_size(side: Any) -> int | None:
    if side is None:
        return None
    if type(side) is not int or not _SMALLEST_SIDE <= side <= LARGEST_ACCURATE_SIDE:
        raise ValueError(f"accurate_size is {side}")
    return side


def _loses(quantized: Any) -> QuantizationLoss | None:
    if quantized is None:
        return None
    loses = quantized["loses"]
    shares = ("mean_cosine", "least_cosine", "nearest_neighbours_kept")
    return QuantizationLoss(str(loses["measured_on"]), *(float(loses[name]) for name in shares))


def _three(values: Any) -> tuple[float, float, float] | None:
    if values is None:
        return None
    first, second, third = (float(value) for value in values)
    return first, second, third
