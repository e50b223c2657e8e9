"""Whether a GPU of this machine runs the network: tried, in a process of its own.

    python -m verger.embed.gpu NAME|FILE.onnx SIZE VIEWS PHOTOS
                                   ends with 0 where it does; else says why it does not, with 1

Whoever has used a GPU keeps some of its memory until it ends, and a GPU in exclusive mode takes no
second process: the one that asks is not the one that will compute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np

from verger.embed.backbone import open_backbone
from verger.embed.onnx_session import no_gpu
from verger.errors import UsageError, VergerError
from verger.photos.decode import Framing
from verger.settings import BATCH_SIZES, GPU_BACKBONE

_USUAL = Framing()
_SECONDS = 120  # the first use of a GPU may compile for it


def tried(
    name: str = GPU_BACKBONE, framing: Framing = _USUAL, photos: int = BATCH_SIZES["cuda"]
) -> UsageError | None:
    """Say why the first GPU of this machine cannot run a network; None where it can.

    name:   as `--backbone` takes it
    photos: of a batch, seen as `framing` says
    """
    words = [name, str(framing.size), ",".join(map(str, framing.views)), str(photos)]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        made = subprocess.run(  # noqa: S603 - our own module, and a file that was opened
            [sys.executable, "-P", "-m", "verger.embed.gpu", *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=_SECONDS, env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return no_gpu(f"the process that tried it gave no answer in {_SECONDS} seconds")
    if made.returncode == 0:
        return None
    try:
        what, hint = json.loads(made.stdout)
    except ValueError:  # it crashed
        said = made.stderr.strip().splitlines()[-1:] or ["nothing"]
        return no_gpu(f"the process that tried it ended with {made.returncode} and said {said[0]}")
    return UsageError(what, hint=hint)


def main() -> int:
    """Run one batch of blank photos on the first GPU."""
    name, size, views, photos = sys.argv[1:]
    try:
        backbone = open_backbone(name, int(size), [int(view) for view in views.split(",")])
        spec = backbone.card.input
        shape = (int(photos), len(spec.views), spec.size, spec.size, 3)
        backbone.network(0)(np.zeros(shape, np.uint8))
    except VergerError as error:
        print(json.dumps([error.what, error.hint]))  # noqa: T201 - to `tried`
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
