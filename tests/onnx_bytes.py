"""Tiny ONNX models, written as the protocol buffers that they are; the package `onnx` is large.

Field numbers are those of onnx.proto3 in the ONNX project.
"""

from __future__ import annotations

from typing import NamedTuple

FLOAT, UINT8, INT64, STRING = 1, 2, 7, 8
OPSET, IR_VERSION = 13, 8


class Node(NamedTuple):
    """One operation; an attribute is an int or a list of ints."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, int | list[int]] = {}  # noqa: RUF012 - never changed


class Value(NamedTuple):
    """An input or output: its name, element type and dimensions (a name: any size)."""

    name: str
    dtype: int
    shape: list[int | str]


def model(nodes: list[Node], inputs: list[Value], outputs: list[Value]) -> bytes:
    """Encode a ModelProto."""
    graph = b"".join(_field(1, _node(node)) for node in nodes) + _field(2, b"test")
    graph += b"".join(_field(11, _value(value)) for value in inputs)
    graph += b"".join(_field(12, _value(value)) for value in outputs)
    opset = _field(1, b"") + _number(2, OPSET)
    return _number(1, IR_VERSION) + _field(7, graph) + _field(8, opset)


def pooled_floats(side: int | str = "s", batch: int | str = "n") -> bytes:
    """float32 (N, 3, H, W) → the mean of each plane, (N, 3)."""
    return model(
        [
            Node("GlobalAveragePool", ["x"], ["pooled"]),
            Node("Flatten", ["pooled"], ["y"]),
        ],
        [Value("x", FLOAT, [batch, 3, side, side])],
        [Value("y", FLOAT, [batch, 3])],
    )


def pooled_bytes(side: int | str = "s") -> bytes:
    """uint8 (N, H, W, 3) → the mean of each colour, (N, 3)."""
    return model(
        [
            Node("Cast", ["x"], ["floats"], {"to": FLOAT}),
            Node("ReduceMean", ["floats"], ["y"], {"axes": [1, 2], "keepdims": 0}),
        ],
        [Value("x", UINT8, ["n", side, side, 3])],
        [Value("y", FLOAT, ["n", 3])],
    )


def one_node(op: str, shape: list[int | str], out: list[int | str], **attributes: int) -> bytes:
    """float32 of a shape → one operation on it."""
    node = Node(op, ["x"], ["y"], dict(attributes))
    return model([node], [Value("x", FLOAT, shape)], [Value("y", FLOAT, out)])


def _node(node: Node) -> bytes:
    out = b"".join(_field(1, name.encode()) for name in node.inputs)
    out += b"".join(_field(2, name.encode()) for name in node.outputs)
    out += _field(4, node.op.encode())
    for name, value in node.attributes.items():
        if isinstance(value, int):
            content = _number(3, value) + _number(20, 2)
        else:
            content = b"".join(_number(8, item) for item in value) + _number(20, 7)
        out += _field(5, _field(1, name.encode()) + content)
    return out


def _value(value: Value) -> bytes:
    dims = b"".join(
        _field(1, _number(1, dim) if isinstance(dim, int) else _field(2, dim.encode()))
        for dim in value.shape
    )
    tensor = _number(1, value.dtype) + _field(2, dims)
    return _field(1, value.name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
