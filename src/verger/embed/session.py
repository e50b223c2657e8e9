"""Opening a session of ONNX Runtime: from bytes, on one thread."""

from __future__ import annotations

import os
from typing import Any

from verger.errors import BackboneError

_ONNX_LOG_FATAL = 4


def open_session(model: bytes, name: str) -> Any:
    """Load a model from bytes, so that it can name no other file.

    Raises `BackboneError` for what is no model that can be run.
    """
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONNX_LOG_FATAL
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions share no base
        raise BackboneError(
            f"{name} is no ONNX model that can be run: {first_line(error)}"
        ) from None


def onnxruntime() -> Any:
    """Import ONNX Runtime, the only way that it is: so that it reports to nobody.

    On its import it would write an id of this machine into the home folder, and open connections to
    its maker. It reads the variable on its import; told later, it has done both.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where the user had imported it before
    return onnxruntime


def first_line(error: Exception) -> str:
    """Return the first line of what ONNX Runtime says, of 200 characters at most."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
