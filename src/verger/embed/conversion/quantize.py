"""A float32 backbone → the same in eight bits, calibrated on photos.

Activations are uint8, weights int8, each channel with a scale of its own (`weights.py`). What the
rounding of weights shifts on average, the biases take back.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from verger.embed.conversion.needed import library, quantization
from verger.embed.conversion.weights import rounded
from verger.embed.onnx_session import first_line, onnxruntime, open_session
from verger.errors import BackboneError

Photos = npt.NDArray[np.uint8]

_BATCH = 4
_LOG_FATAL = 4


def quantized(model: bytes, photos: Photos) -> bytes:
    """Quantise a backbone by the values that its activations take on some photos.

    model:  a graph from uint8 photos (N, size, size, 3) to features, as `as_backbone` makes it
    photos: uint8 RGB, (N, size, size, 3)

    Raises `BackboneError` where ONNX Runtime cannot.
    """
    with tempfile.TemporaryDirectory(prefix="verger-") as scratch:
        try:
            net = _folded(model, Path(scratch) / "folded.onnx")
            layers = _round_weights(net, _means_of_inputs(net, photos))
            made = _quantized(net, photos, layers, Path(scratch) / "int8.onnx")
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions share no base
            raise BackboneError(f"The network cannot be quantised: {first_line(error)}") from None
    _take_bytes_as_they_are(made.graph)
    return bytes(made.SerializeToString())


def in_eight_bits(model: bytes) -> bool:
    """Say whether a network computes in eight bits, in part at least."""
    nodes = library("onnx").load_from_string(model).graph.node
    return any("QuantizeLinear" in node.op_type or "Integer" in node.op_type for node in nodes)


def _folded(model: bytes, file: Path) -> Any:
    """Let ONNX Runtime compute what is constant: the paddings of a fixed size, normalisations."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(file)
    options.log_severity_level = _LOG_FATAL
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return library("onnx").load(file)


def _batches(net: Any, photos: Photos) -> Iterator[dict[str, Photos]]:
    name = net.graph.input[0].name
    for at in range(0, len(photos), _BATCH):
        yield {name: photos[at : at + _BATCH]}


def _weights_of(net: Any) -> Iterator[tuple[Any, Any, npt.NDArray[np.float32]]]:
    """Go through the convolutions whose weights are constants: node, initializer, weights."""
    stored = {tensor.name: tensor for tensor in net.graph.initializer}
    for node in net.graph.node:
        if node.op_type == "Conv" and node.input[1] in stored:
            tensor = stored[node.input[1]]
            yield node, tensor, library("onnx").numpy_helper.to_array(tensor)


def _means_of_inputs(net: Any, photos: Photos) -> dict[str, npt.NDArray[np.float64]]:
    """Run the float network: the mean of each channel of what goes into each convolution."""
    onnx = library("onnx")
    probe = onnx.ModelProto()
    probe.CopyFrom(net)
    names = sorted({node.input[0] for node, _, _ in _weights_of(net)})
    outputs = {name: f"mean of {name}" for name in names}
    del probe.graph.output[:]
    for name, mean in outputs.items():
        probe.graph.node.append(onnx.helper.make_node("GlobalAveragePool", [name], [mean]))
        probe.graph.output.append(
            onnx.helper.make_tensor_value_info(mean, onnx.TensorProto.FLOAT, None)
        )
    session = open_session(probe.SerializeToString(), "The network with means of its inputs")
    sums: dict[str, Any] = dict.fromkeys(names, 0.0)
    for batch in _batches(net, photos):
        for name, means in zip(names, session.run(list(outputs.values()), batch), strict=True):
            sums[name] = sums[name] + means.astype(np.float64).reshape(*means.shape[:2]).sum(0)
    return {name: total / len(photos) for name, total in sums.items()}


def _round_weights(net: Any, means: dict[str, npt.NDArray[np.float64]]) -> dict[str, Any]:
    """Round the weights of the convolutions in place, and correct their biases.

    Returns for each weight what the quantiser has to take: the scale of each channel.
    """
    onnx = library("onnx")
    stored = {tensor.name: tensor for tensor in net.graph.initializer}
    kind, scales = quantization().QuantType.QInt8, {}
    for node, tensor, weights in _weights_of(net):
        outputs, inputs, *sides = weights.shape
        group = next((a.i for a in node.attribute if a.name == "group"), 1)
        depthwise = inputs == 1 and outputs == group  # has a kernel of its own, in 32 bits
        last = (0, *range(2, weights.ndim), 1)  # kernels multiply channels last
        rows = weights.transpose(last).reshape(outputs, -1).astype(np.float64)
        whole, scale = rounded(rows, in_pairs=not depthwise)
        on_grid = whole * scale[:, None]
        lost = (rows - on_grid).reshape(outputs, -1, inputs).sum(axis=1)  # by channel of the input
        back = on_grid.reshape(outputs, *sides, inputs).transpose(0, -1, *range(1, 1 + len(sides)))
        tensor.CopyFrom(
            onnx.numpy_helper.from_array(np.ascontiguousarray(back, np.float32), tensor.name)
        )
        mean = means[node.input[0]].reshape(group, inputs).repeat(outputs // group, axis=0)
        if len(node.input) > 2 and node.input[2] in stored:
            bias = stored[node.input[2]]
            right = onnx.numpy_helper.to_array(bias) + (lost * mean).sum(axis=1)
            bias.CopyFrom(onnx.numpy_helper.from_array(right.astype(np.float32), bias.name))
        scales[tensor.name] = [
            {"quant_type": kind, "scale": one, "zero_point": np.int8(0)} for one in scale
        ]
        scales[tensor.name][0]["axis"] = 0
    return scales


def _quantized(net: Any, photos: Photos, scales: dict[str, Any], file: Path) -> Any:
    quant = quantization()
    batches = _batches(net, photos)

    class Reader(quant.CalibrationDataReader):  # type: ignore[misc,name-defined]
        def get_next(self) -> dict[str, Photos] | None:
            return next(batches, None)

    logging.disable(logging.WARNING)  # its advice to fold the graph, which is folded
    try:
        quant.quantize_static(
            net,
            file,
            Reader(),
            quant_format=quant.QuantFormat.QDQ,
            activation_type=quant.QuantType.QUInt8,
            weight_type=quant.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,  # of what is no convolution
            extra_options={"TensorQuantOverrides": scales},
        )
    finally:
        logging.disable(logging.NOTSET)
    return library("onnx").load(file)


def _take_bytes_as_they_are(graph: Any) -> None:
    """Feed photos to the first convolution without any arithmetic, where that is the same.

    `(x − mean) / spread` and its quantisation are a scale and a zero point, for a mean that is a
    whole number and the same for all colours: the bytes of the photo are the quantised input.
    """
    numpy_helper = library("onnx").numpy_helper
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    for quantize in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        chain = [quantize]
        for op in ("Div", "Sub", "Cast"):
            node = made_by.get(chain[-1].input[0])
            if node is None or node.op_type != op:
                break
            chain.append(node)
        if len(chain) < 4:
            continue
        _, divide, subtract, cast = chain
        spread, mean = (np.unique(stored.get(n.input[1], (0, 1))) for n in (divide, subtract))
        if len(spread) > 1 or len(mean) > 1 or mean[0] not in range(256):
            return
        users = [node for node in graph.node if quantize.output[0] in node.input]
        for name, value in ("photo_scale", np.float32(1) / spread[0]), ("photo_zero", mean[0]):
            kind = np.uint8 if name == "photo_zero" else np.float32
            graph.initializer.append(numpy_helper.from_array(np.array(value, kind), name))
        for user in users:
            user.input[0], user.input[1], user.input[2] = (
                cast.input[0], "photo_scale", "photo_zero"
            )  # fmt: skip
        for node in chain:
            graph.node.remove(node)
        used = {name for node in graph.node for name in node.input}
        for tensor in [t for t in graph.initializer if t.name not in used]:
            graph.initializer.remove(tensor)
        return
