"""The libraries of the extra `export`, imported late: nothing else in Verger needs them."""

from __future__ import annotations

import importlib
from typing import Any

from verger.embed.onnx_session import onnxruntime
from verger.errors import UsageError, to_add


def needed(library: str) -> Any:
    """Import a library or a module of it. Raises `UsageError` where it is not installed."""
    try:
        return importlib.import_module(library)
    except ImportError as error:
        missing = (error.name or library).partition(".")[0]
        raise UsageError(
            f"verger backbones export needs the library {missing}, which is not installed.",
            hint=to_add("export"),
        ) from None


def quantization() -> Any:
    """Import ONNX Runtime's quantisation, which needs the library `onnx`."""
    needed("onnx")
    onnxruntime()
    return needed("onnxruntime.quantization")
