"""A GPU that does not work is refused with its reason, and the processor never takes its place.

No machine of the tests has a GPU. What ONNX Runtime's other package would say stands in for it,
around sessions that are real.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from onnx_bytes import pooled_floats
from verger.embed import gpu, open_backbone
from verger.embed import onnx_session as sessions
from verger.embed.onnx_session import left_to_processor, open_session
from verger.errors import UsageError
from verger.photos.decode import Framing
from verger.settings import GPU_BACKBONE


def refusal(index: int = 0) -> UsageError:
    with pytest.raises(UsageError) as caught:
        open_session(pooled_floats(), "net", index)
    assert str(caught.value).startswith(f"No GPU can be used on {socket.gethostname()}: ")
    assert "docs/howto/gpu.md" in caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_package_for_processors_is_refused() -> None:
    error = refusal()
    assert f"{onnxruntime.__version__}, is for CPUs only" in error.what
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'" in error.hint
    assert error.exit_code == 2


def test_a_backbone_goes_to_the_gpu_that_was_named_or_nowhere() -> None:
    backbone = open_backbone(GPU_BACKBONE)
    with pytest.raises(UsageError, match="No GPU can be used"):
        backbone.network(0)


def test_the_gpu_is_tried_by_another_process() -> None:
    error = gpu.tried()
    assert error is not None
    assert (error.what, error.hint) == (refusal().what, refusal().hint)
    assert str(error).count("No GPU can be used") == 1


def test_it_is_tried_with_the_network_of_the_run(tmp_path: Path) -> None:
    """Also with one that is a link to a file of another name, as caches of models have them."""
    (tmp_path / "blob").write_bytes(pooled_floats(32))
    (tmp_path / "net.onnx").symlink_to(tmp_path / "blob")
    error = gpu.tried(str(tmp_path / "net.onnx"), Framing(32, (32, 48)), 3)
    assert error is not None
    assert error.what == refusal().what
    (tmp_path / "net.onnx").unlink()
    error = gpu.tried(str(tmp_path / "net.onnx"), Framing(32, (32,)), 3)
    assert error is not None
    assert "No such backbone file" in error.what


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.abort()", "ended with -6"),
        ("import sys; sys.exit('cuBLAS: oh')", "ended with 1 and said cuBLAS: oh"),
        ("import time; time.sleep(60)", "no answer in 2 seconds"),
    ],
)
def test_a_trial_that_breaks_down_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    """A driver that crashes, or hangs."""
    run = subprocess.run

    def broken(_line: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return run([sys.executable, "-c", program], **options)

    monkeypatch.setattr(subprocess, "run", broken)
    monkeypatch.setattr(gpu, "_SECONDS", 2)
    error = gpu.tried()
    assert error is not None
    assert reason in error.what


class Stand:
    """ONNX Runtime for GPUs, as far as it can be had: what it is asked, and what it answers."""

    def __init__(self, **answers: Any) -> None:
        self.__version__, self.__file__ = "1.31.1", str(Path(onnxruntime.__file__))
        self.SessionOptions = onnxruntime.SessionOptions
        self.asked: dict[str, Any] = {}
        self._answers = answers

    def get_available_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def set_default_logger_severity(self, _severity: int) -> None:
        pass

    def preload_dlls(self) -> None:
        sys.stdout.write("Failed to load libcublasLt.so.13")

    def InferenceSession(self, model: bytes, options: Any, **asked: Any) -> Any:  # noqa: N802
        self.asked = asked
        if "error" in self._answers:
            raise self._answers["error"]
        # What it does where CUDA's libraries are missing: not a word, and the processor.
        real = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        if "providers" not in self._answers:
            return real
        return SimpleNamespace(
            get_providers=lambda: self._answers["providers"],
            get_provider_graph_assignment_info=lambda: self._answers.get("assigned", []),
        )


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(**answers: Any) -> Stand:
        made = Stand(**answers)
        monkeypatch.setattr(sessions, "onnxruntime", lambda: made)
        return made

    return put


def test_a_session_on_the_processor_is_no_session_on_the_gpu(
    stand: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    stand()
    # The libraries that say what is missing are not all in the package for processors.
    assert "libonnxruntime_providers_" in refusal().what
    assert capfd.readouterr().out == ""


# As ONNX Runtime 1.31 for GPUs said it with a driver that finds no device.
NO_DEVICE = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:63 static "
    "onnxruntime::CUDAExecutionProviderInfo onnxruntime::CUDAExecutionProviderInfo::"
    "FromProviderOptions(const onnxruntime::ProviderOptions&) [ONNXRuntimeError] : 1 : FAIL : "
    'provider_options_utils.h:187 Parse Failed to parse provider option "device_id": CUDA failure '
    "100: no CUDA-capable device is detected ; GPU=-1 ; hostname=vm ; file=/onnxruntime_src/"
    "onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc ; line=70 ; "
    "expr=cudaGetDeviceCount(&num_devices); \n"
)


def test_what_cuda_says_is_told(stand: Any) -> None:
    stand(error=RuntimeError(NO_DEVICE))
    assert refusal().what.endswith(": CUDA failure 100: no CUDA-capable device is detected.")
    stand(error=RuntimeError("device_id 3 is too large\nmore"))
    assert refusal().what.endswith("ONNX Runtime says: device_id 3 is too large.")


def test_it_is_asked_for_float32_on_that_gpu_and_for_no_other_way(stand: Any) -> None:
    made = stand(providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    opened = open_session(pooled_floats(), "net", 3)
    assert "CUDAExecutionProvider" in opened.get_providers()
    ((name, options),) = made.asked["providers"]
    assert (name, options["device_id"], options["use_tf32"]) == ("CUDAExecutionProvider", "3", "0")
    assert made.asked["enable_fallback"] == 0


def test_a_network_whose_work_stays_with_the_processor_is_refused(stand: Any) -> None:
    def part(on: str, *ops: str) -> Any:
        nodes = [SimpleNamespace(op_type=op) for op in ops]
        return SimpleNamespace(ep_name=on, get_nodes=lambda: nodes)

    cuda, processor = "CUDAExecutionProvider", "CPUExecutionProvider"
    fine = [part(cuda, "Conv", "Add"), part(processor, "Shape", "Gather")]
    stand(providers=[cuda, processor], assigned=fine)
    open_session(pooled_floats(), "net", 0)
    stand(providers=[cuda, processor], assigned=[part(cuda, "Add"), part(processor, "ConvInteger")])
    assert "of net, ONNX Runtime runs ConvInteger on the CPU only" in refusal().what


def test_onnx_runtime_says_where_it_computes() -> None:
    """The real one, of a session on the processor: without its word, nothing is known."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    on_processor = ["CPUExecutionProvider"]
    for model, heavy in ((open_backbone(GPU_BACKBONE).model(), True), (pooled_floats(), False)):
        opened = onnxruntime.InferenceSession(model, options, providers=on_processor)
        named = left_to_processor(opened)
        assert any("Conv" in name for name in named) == heavy, named
