"""Networks of timm, exported: run by `make test-export`, which installs torch and timm."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from verger.cli.main import cli
from verger.demo.render import render_photo
from verger.embed import open_backbone
from verger.embed.conversion import Exported, export
from verger.embed.conversion.fidelity import drawn_photos
from verger.errors import BackboneError, VergerError
from verger.progress import Silent

pytestmark = pytest.mark.torch

CNN = "mobilenetv3_small_050"
VIT = "vit_tiny_patch16_224"


def exported(source: str | Path, output: Path, **options: Any) -> Exported:
    return export(str(source), output, Silent(), **options)


def refusal(error: type[VergerError], source: str | Path, output: Path, **options: Any) -> str:
    with pytest.raises(error) as caught:
        exported(source, output, **options)
    assert not output.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def made(architecture: str, **options: Any) -> Any:
    """Make a network with weights drawn at random, and means and variances that do something."""
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    torch.manual_seed(0)
    model = timm.create_model(architecture, **options).eval()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    return model


def saved(file: Path, content: Any) -> Path:
    pytest.importorskip("torch").save(content, file)
    return file


def features(model: Any, photos: Any, mean: Any, spread: Any) -> Any:
    """Run a network in torch, by hand: no classifier, and pixels less a mean over a spread."""
    torch = pytest.importorskip("torch")
    model.reset_classifier(0)
    pixels = (photos.astype(np.float64) - mean) / spread
    with torch.no_grad():
        return model(torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32))).numpy()


IMAGENET = (np.array([0.485, 0.456, 0.406]) * 255, np.array([0.229, 0.224, 0.225]) * 255)
HALF = (127.5, 127.5)


@pytest.mark.timeout(1800)  # the largest takes minutes, and ten where others use the cores
@pytest.mark.parametrize(
    ("architecture", "size", "length", "scale"),
    [
        (CNN, 160, 1024, IMAGENET),
        (CNN, 518, 1024, IMAGENET),
        ("tf_efficientnet_lite0", 224, 1280, HALF),
        (VIT, 160, 192, HALF),
        ("vit_small_patch14_dinov2", 518, 384, IMAGENET),
    ],
)
def test_weights_in_a_file_become_a_backbone(
    tmp_path: Path, architecture: str, size: int, length: int, scale: Any
) -> None:
    model = made(architecture, **({"img_size": size} if architecture.startswith("vit") else {}))
    file = saved(tmp_path / "weights.pth", model.state_dict())
    out = tmp_path / "out.onnx"
    card = exported(file, out, architecture=architecture, image_size=size).card
    assert (card.features, card.input.size) == (length, size)
    backbone = open_backbone(str(out))
    assert backbone.card == card
    ops = {node.op_type for node in onnx.load(out).graph.node}
    if architecture.startswith("tf_"):
        assert not {"Shape", "Ceil"} & ops  # how much is padded is worked out
    photos = drawn_photos(3, size)
    theirs = features(model, photos, *scale)
    np.testing.assert_allclose(
        backbone.network().output(photos), theirs, atol=1e-4 * max(1, np.abs(theirs).max())
    )
    assert "not those of a resnet18" in refusal(
        BackboneError, file, tmp_path / "other.onnx", architecture="resnet18"
    )


@pytest.mark.parametrize("how", ["named", "renamed", "trainer"])
def test_names_and_classes_of_weights_may_be_others(tmp_path: Path, how: str) -> None:
    model = made(CNN, num_classes=81)
    weights = model.state_dict()
    content = {
        "named": weights,
        "renamed": {f"_{at}": value for at, value in enumerate(weights.values())},
        "trainer": {
            "epoch": 3,
            "arch": CNN,
            "state_dict": {f"module.{name}": value for name, value in weights.items()},
        },
    }[how]
    file = saved(tmp_path / "weights.pth", content)
    given = {} if how == "trainer" else {"architecture": CNN}
    out = tmp_path / "out.onnx"
    exported(file, out, image_size=96, **given)
    photos = drawn_photos(3, 96)
    theirs = features(model, photos, *IMAGENET)
    np.testing.assert_allclose(
        open_backbone(str(out)).network().output(photos), theirs, atol=1e-4 * np.abs(theirs).max()
    )


def test_positions_that_are_learnt_are_fitted_to_another_size(tmp_path: Path) -> None:
    model = made(VIT)
    file = saved(tmp_path / "weights.pth", model.state_dict())
    out = tmp_path / "out.onnx"
    card = exported(file, out, architecture=VIT, image_size=160).card
    assert card.input.size == 160
    model.set_input_size(img_size=(160, 160))
    photos = drawn_photos(3, 160)
    theirs = features(model, photos, *HALF)
    np.testing.assert_allclose(
        open_backbone(str(out)).network().output(photos), theirs, atol=1e-4 * np.abs(theirs).max()
    )


@pytest.mark.parametrize(
    ("architecture", "pixels", "scale"),
    [
        (CNN, "127/128", (127, 128)),
        (CNN, "1,2,3/50,60,70", (np.array([1, 2, 3]), np.array([50, 60, 70]))),
    ],
)
def test_what_weights_take_of_a_pixel_may_be_given(
    tmp_path: Path, architecture: str, pixels: str, scale: Any
) -> None:
    model = made(architecture)
    file = saved(tmp_path / "weights.pth", model.state_dict())
    out = tmp_path / "out.onnx"
    exported(file, out, architecture=architecture, image_size=96, pixels=pixels)
    photos = drawn_photos(3, 96)
    theirs = features(model, photos, *scale)
    np.testing.assert_allclose(
        open_backbone(str(out)).network().output(photos), theirs, atol=1e-4 * np.abs(theirs).max()
    )


@pytest.mark.parametrize("architecture", ["tf_efficientnet_lite0", VIT])
def test_networks_of_torch_in_eight_bits(tmp_path: Path, architecture: str) -> None:
    from PIL import Image

    photos = tmp_path / "photos"
    photos.mkdir()
    for view in range(20):
        Image.fromarray(render_photo("Banana", view)).save(photos / f"{view}.png")
    file = saved(tmp_path / "weights.pth", made(architecture).state_dict())
    out = tmp_path / "out.onnx"
    line = ["backbones", "export", str(file), "--output", str(out), "--image-size", "160"]
    line += ["--architecture", architecture, "--pixels", "127/128", "--int8", str(photos)]
    ran = CliRunner().invoke(cli, line, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    lost = open_backbone(str(out)).card.loses
    assert lost is not None
    assert lost.mean_cosine > 0.95
    if architecture != VIT:
        ops = [node.op_type for node in onnx.load(out).graph.node]
        assert not {"Clip", "Cast", "Sub", "Div", "Pad"} & set(ops)  # all in whole numbers
    assert sum(
        tensor.data_type == onnx.TensorProto.INT8 for tensor in onnx.load(out).graph.initializer
    )


class Evil:
    """Pickled, it makes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("how", ["torch", "pickle", "by hand"])
def test_a_file_with_code_in_it_is_not_run(tmp_path: Path, how: str) -> None:
    pytest.importorskip("torch")
    file, mark = tmp_path / "weights.pth", tmp_path / "ran"
    if how == "torch":
        saved(file, {"state_dict": Evil(mark)})
    elif how == "pickle":
        file.write_bytes(pickle.dumps({"state_dict": Evil(mark)}, protocol=2))
    else:
        file.write_bytes(b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR.")
    said = refusal(BackboneError, file, tmp_path / "out.onnx", architecture="resnet18")
    assert "contains code, which is never run" in said
    assert "weights_only" not in said  # torch's advice to run it after all
    assert not mark.exists()


def test_files_that_hold_no_weights(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    out = tmp_path / "out.onnx"
    file = tmp_path / "weights.pth"
    assert "No such backbone file" in refusal(BackboneError, file, out, architecture=CNN)
    file.mkdir()
    assert "holds no weights" in refusal(BackboneError, file, out, architecture=CNN)
    file.rmdir()
    whole = saved(tmp_path / "whole.pth", {"a": torch.zeros(9)}).read_bytes()
    for content in (b"", b"no weights", bytes(100), whole[:-300], b"PK\x03\x04" + bytes(99)):
        file.write_bytes(content)
        assert "holds no weights" in refusal(BackboneError, file, out, architecture=CNN)
    unnamed: list[Any] = [[1, 2], {"state_dict": 3}, torch.zeros(3)]
    for other in unnamed:
        saved(file, other)
        assert "holds no weights by name" in refusal(BackboneError, file, out, architecture=CNN)
    too_few: list[Any] = [{}, {"a": torch.zeros(9)}, {"a": 1}]
    for other in too_few:
        saved(file, other)
        assert f"not those of a {CNN}" in refusal(BackboneError, file, out, architecture=CNN)
    saved(file, made(CNN))  # the network itself, which is code
    assert "contains code" in refusal(BackboneError, file, out, architecture=CNN)
    saved(file, made(CNN).state_dict())
    assert "--architecture" in refusal(BackboneError, file, out)
    assert "timm knows no network" in refusal(BackboneError, file, out, architecture="no_such")
    weights = {name: value * float("nan") for name, value in made(CNN).state_dict().items()}
    saved(file, weights)
    assert "differ by up to nan" in refusal(BackboneError, file, out, architecture=CNN)


def test_weights_of_timm_without_a_network_are_one_line(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    out = tmp_path / "out.onnx"
    assert "timm knows no network" in refusal(BackboneError, "timm:no_such", out)
    line = [sys.executable, "-m", "verger", "backbones", "export", "timm:resnet18", "--output"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "none")}
    ran = subprocess.run(
        [*line, str(out)], env=os.environ | offline, capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert "timm cannot make resnet18" in ran.stderr
    assert "FILE.pth" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not out.exists()
