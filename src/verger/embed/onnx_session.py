"""Opening a session of ONNX Runtime: from bytes, on one thread of the processor or on a GPU."""

from __future__ import annotations

import ctypes
import os
import re
import socket
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from verger.errors import BackboneError, UsageError

_ONNX_LOG_FATAL = 4
_CUDA = "CUDAExecutionProvider"
_INSTALL = "pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'"
_HOW = "docs/howto/gpu.md says what a GPU needs; without --device, the CPU does its work."
# Nearly all of a network's work. Sums and shapes may stay with the processor.
_HEAVY = ("Conv", "Gemm", "MatMul")


def open_session(model: bytes, name: str, gpu: int | None = None, threads: int = 1) -> Any:
    """Load a model from bytes, so that it can name no other file.

    gpu:     index of the GPU that computes; None: the processor
    threads: of the processor, for one batch

    Raises `BackboneError` for what is no model that can be run, `UsageError` where the GPU would
    not run it.
    """
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # A thread that waits for its share would otherwise keep a core from what has work to do there.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONNX_LOG_FATAL
    if gpu is not None:
        return _on_gpu(ort, model, name, options, gpu)
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions share no base
        raise BackboneError(
            f"{name} is not an ONNX model that can be run: {first_line(error)}"
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


def no_gpu(reason: str, hint: str = "") -> UsageError:
    """Make the error that says why a GPU cannot be used on this machine."""
    what = f"No GPU can be used on {socket.gethostname()}: {reason}."
    return UsageError(what, hint=f"{hint} {_HOW}")


def _on_gpu(ort: Any, model: bytes, name: str, options: Any, gpu: int) -> Any:
    """Open a session that computes on a GPU, and on nothing else.

    Left to itself, ONNX Runtime goes over to the processor in silence: where it cannot load CUDA's
    libraries, where a call fails, and for each operation that it has no code for.
    """
    if _CUDA not in ort.get_available_providers():
        raise no_gpu(
            f"the installed ONNX Runtime, {ort.__version__}, is for CPUs only",
            f"{_INSTALL}.",
        )
    ort.set_default_logger_severity(_ONNX_LOG_FATAL)
    # Indices as nvidia-smi and Spark count them, not the fastest first.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if hasattr(ort, "preload_dlls"):  # CUDA's libraries that pip installed, since 1.21
        with redirect_stdout(StringIO()):  # it prints what is not there; `_missing` says it again
            ort.preload_dlls()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    cuda = {
        "device_id": str(gpu),
        # Ten bits of each factor are what TF32 keeps: features would not be those of a processor.
        "use_tf32": "0",
        # Not by a race between them, which each run might end otherwise.
        "cudnn_conv_algo_search": "HEURISTIC",
    }
    try:
        session = ort.InferenceSession(model, options, providers=[(_CUDA, cuda)], enable_fallback=0)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions share no base
        raise no_gpu(_said(error)) from None
    if _CUDA not in session.get_providers():
        raise no_gpu(_missing(ort) or "ONNX Runtime did not take it, and does not say why")
    if left := left_to_processor(session):
        raise no_gpu(f"of {name}, ONNX Runtime runs {', '.join(left)} on the CPU only")
    return session


def left_to_processor(session: Any) -> list[str]:
    """Name the heavy operations of a session that the processor computes.

    Older versions of ONNX Runtime do not tell: then none is named.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return []
    assigned = session.get_provider_graph_assignment_info()
    nodes = {(part.ep_name, node.op_type) for part in assigned for node in part.get_nodes()}
    return sorted(op for on, op in nodes if on != _CUDA and any(word in op for word in _HEAVY))


def _said(error: Exception) -> str:
    """Return what CUDA said, of a line that names ONNX Runtime's own sources before and after."""
    found = re.search(r"(CUDA|CUDNN|CUBLAS) failure [^;\n]+", str(error))
    return found.group().strip() if found else f"ONNX Runtime says: {first_line(error)}"


def _missing(ort: Any) -> str:
    """Say which library ONNX Runtime lacks: it writes that into its log alone."""
    folder = Path(ort.__file__).parent / "capi"
    try:
        for name in ("shared", "cuda"):  # the second has symbols of the first
            library = folder / f"libonnxruntime_providers_{name}.so"
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    except OSError as error:
        return first_line(error)
    return ""
