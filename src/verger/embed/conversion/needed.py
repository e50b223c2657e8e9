"""The libraries of the extra `export`, imported late: nothing else in Verger needs them."""

from __future__ import annotations

import importlib
from typing import Any

from verger.embed.onnx_session import onnxruntime
from verger.machine.extras import need


def library(name: str) -> Any:
    """Import a library or a module of it. Raises `UsageError` where it is not installed."""
    need("export", "verger backbones export", name.partition(".")[0])
    return importlib.import_module(name)


def quantization() -> Any:
    """Import ONNX Runtime's quantisation, which needs the library `onnx`."""
    library("onnx")
    onnxruntime()
    return importlib.import_module("onnxruntime.quantization")
