"""Make the shipped int8 backbone again: the float32 one, quantised by the photos of its card.

    python scripts/quantize_backbone.py FOLDER OUTPUT.onnx

FOLDER holds those photos, under the paths of the card (`grocery-photos/`, `fruits-360-sample/`).
The file that comes out is compared with the shipped one; the exit code is 0 where it is the same,
byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import onnx

from verger.embed import open_backbone
from verger.embed.conversion.quantize import quantized
from verger.photos.decode import decode
from verger.settings import DEFAULT_BACKBONE


def any_side(model: bytes) -> bytes:
    """Let a network take photos of any side: nothing in it depends on the side."""
    made = onnx.load_from_string(model)
    for side in made.graph.input[0].type.tensor_type.shape.dim[1:3]:
        side.Clear()
        side.dim_param = "side"
    del made.graph.value_info[:]
    return bytes(made.SerializeToString())


def main() -> int:
    """Quantise, write, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    card_file = resources.files("verger.embed") / "networks" / f"{DEFAULT_BACKBONE}.json"
    card = json.loads(card_file.read_text(encoding="utf-8"))
    original = open_backbone(card["source"]["made_of"])
    framing = original.card.input.framing
    files = [options.folder / name for name in card["quantized"]["calibrated_on"]["photos"]]
    # In turn one of each kind, as they were shown.
    half = len(files) // 2
    files = [file for pair in zip(files[:half], files[half:], strict=True) for file in pair]
    photos = [decode(file.read_bytes(), framing, thumbnail=False).pixels for file in files]
    made = any_side(quantized(original.model(), np.concatenate(photos)))
    options.output.write_bytes(made)
    is_same = hashlib.sha256(made).hexdigest() == card["sha256"]
    print(f"{options.output}: {'the same as' if is_same else 'another than'} the shipped file")
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
