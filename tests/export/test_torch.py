"""Networks of timm, exported: run by `make test-export`, which installs torch and timm."""

from __future__ import annotations

from pathlib import Path

import pytest

from verger.embed import open_backbone
from verger.errors import BackboneError
from verger.export import export
from verger.progress import Silent

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("architecture", "size", "features"),
    [("mobilenetv3_small_050", 160, 1024), ("vit_tiny_patch16_224", 160, 192)],
)
def test_weights_in_a_file_become_a_backbone(
    tmp_path: Path, architecture: str, size: int, features: int
) -> None:
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    torch.manual_seed(0)
    options = {"img_size": size} if architecture.startswith("vit") else {}
    file = tmp_path / "weights.pth"
    torch.save(timm.create_model(architecture, **options).state_dict(), file)
    out = tmp_path / "out.onnx"
    made = export(str(file), out, Silent(), architecture=architecture, image_size=size)
    assert made.card.features == features
    assert made.card.input.size == size
    assert open_backbone(str(out)).card == made.card
    with pytest.raises(BackboneError, match="are not those of a resnet18"):
        export(str(file), tmp_path / "other.onnx", Silent(), architecture="resnet18")


def test_a_file_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    file = tmp_path / "weights.pth"
    file.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    with pytest.raises(BackboneError, match="holds no weights of torch"):
        export(str(file), tmp_path / "out.onnx", Silent(), architecture="resnet18")
    assert not (tmp_path / "ran").exists()
