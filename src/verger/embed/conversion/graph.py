"""An ONNX graph → that of a backbone: photos as they are go in, a row of features comes out."""

from __future__ import annotations

import dataclasses
from itertools import chain, count
from typing import Any

import numpy as np
import numpy.typing as npt

from verger.embed import Card, InputSpec
from verger.embed.conversion.needed import library
from verger.errors import BackboneError

_OPSET = 17  # older graphs are brought to it; quantisation by channels needs 13


def as_backbone(model: bytes, card: Card, sample: npt.NDArray[Any]) -> tuple[bytes, Card]:
    """Return a graph that maps uint8 RGB photos (N, size, size, 3) to features, and its card.

    What `card` says of the order of colours and of the normalisation moves into the graph; `sample`
    is the output for some photos: numbers that are no float32 become such, and a map is averaged
    over its two sides. Only N stays free. Raises `BackboneError` where the output is neither a row
    nor a map.
    """
    onnx = library("onnx")
    try:
        net = onnx.load_from_string(model)
        if max(opset.version for opset in net.opset_import if opset.domain in ("", "ai.onnx")) < 13:
            net = onnx.version_converter.convert_version(net, _OPSET)
    except Exception as error:  # noqa: BLE001 - protobuf's and ONNX's exceptions share no base
        raise BackboneError(f"{card.name} cannot be rewritten: {error}") from None
    axis = None if sample.ndim == 2 else _channel_axis(card.name, sample.shape)
    features = sample.shape[axis or 1]
    graph = _Graph(net.graph)
    spec = graph.take_photos(card.input)
    output = card.output if sample.dtype == np.float32 else graph.give_floats(card.output)
    output = graph.give_a_row(output, features, axis)
    made = dataclasses.replace(
        card, input=spec, output=output, features=features, accurate_size=None
    )
    return bytes(net.SerializeToString()), made


def pooled(output: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Average a map of features over its two sides, as the graph does; a row stays as it is."""
    if output.ndim == 2:
        return output.astype(np.float32)
    sides = (2, 3) if _channel_axis("The network", output.shape) == 1 else (1, 2)
    return np.asarray(output.mean(axis=sides, dtype=np.float64), np.float32)


def _channel_axis(name: str, shape: tuple[int, ...]) -> int:
    """Tell which axis of a map of features is no side: photos are square, and so are their maps."""
    if len(shape) == 4 and shape[2] == shape[3]:
        return 1
    if len(shape) == 4 and shape[1] == shape[2]:
        return 3
    raise BackboneError(
        f"{name} gives {list(shape[1:])} numbers per photo, neither a row nor a square map.",
        hint="Export it with its pooling, up to the row before the classifier.",
    )


class _Graph:
    """A graph that is extended at both ends."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._helper, self._kinds = library("onnx").helper, library("onnx").TensorProto
        self._names = {name for node in graph.node for name in (*node.input, *node.output)}
        self._names |= {value.name for value in (*graph.initializer, *graph.input, *graph.output)}

    def take_photos(self, spec: InputSpec) -> InputSpec:
        """Put before the network what makes its input of uint8 RGB photos, channels last."""
        network, photos = spec.name, self._unused("images", "photos")
        nodes: list[Any] = []

        def then(op: str, *constants: str, **attributes: Any) -> None:
            last = nodes[-1].output[0] if nodes else photos
            made = self._unused(f"{photos}_{op.lower()}")
            nodes.append(self._helper.make_node(op, [last, *constants], [made], **attributes))

        if spec.color == "BGR":
            then("Gather", self._constant("bgr", np.array([2, 1, 0])), axis=3)
        if spec.layout == "NCHW":
            then("Transpose", perm=[0, 3, 1, 2])
        if spec.dtype == "float32":
            then("Cast", to=self._kinds.FLOAT)
            mean = 255 * np.array(spec.mean or (0, 0, 0), np.float64)
            std = 255 * np.array(spec.std or (1, 1, 1), np.float64)
            each = (1, 3, 1, 1) if spec.layout == "NCHW" else (1, 1, 1, 3)
            then("Sub", self._constant("mean", mean.astype(np.float32).reshape(each)))
            then("Div", self._constant("spread", std.astype(np.float32).reshape(each)))
        size = spec.size
        put = next(value for value in self._graph.input if value.name == network)
        kind, shape = self._kinds.UINT8, ["n", size, size, 3]
        name = network
        if nodes:
            nodes[-1].output[0] = network
            body = list(self._graph.node)
            del self._graph.node[:]
            self._graph.node.extend(nodes + body)
            name = photos
        del self._graph.value_info[:]  # of sizes that may no longer be
        put.CopyFrom(self._helper.make_tensor_value_info(name, kind, shape))
        return dataclasses.replace(
            spec, name=name, layout="NHWC", dtype="uint8", color="RGB", mean=None, std=None
        )

    def give_floats(self, output: str) -> str:
        """Make numbers of another kind float32; return their name."""
        return self._add("Cast", output, "floats", to=self._kinds.FLOAT)

    def give_a_row(self, output: str, features: int, channel_axis: int | None) -> str:
        """Average a map of features over its sides; return the name of the output."""
        if channel_axis == 3:
            output = self._add("Transpose", output, "planes", perm=[0, 3, 1, 2])
        if channel_axis is not None:
            output = self._add("GlobalAveragePool", output, "pooled")
            output = self._add("Flatten", output, "features", "row")
        del self._graph.output[:]
        value = self._helper.make_tensor_value_info(output, self._kinds.FLOAT, ["n", features])
        self._graph.output.append(value)
        return output

    def _add(self, op: str, given: str, *wishes: str, **attributes: Any) -> str:
        """Add a node; return the name of what it gives."""
        made = self._unused(*wishes)
        self._graph.node.append(self._helper.make_node(op, [given], [made], **attributes))
        return made

    def _constant(self, name: str, values: Any) -> str:
        made = self._unused(name)
        self._graph.initializer.append(library("onnx").numpy_helper.from_array(values, made))
        return made

    def _unused(self, *wishes: str) -> str:
        more = (f"{wishes[0]}_{number}" for number in count(1))
        name = next(name for name in chain(wishes, more) if name not in self._names)
        self._names.add(name)
        return name
