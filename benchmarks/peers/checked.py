"""What a contender wrote: each photo, with its label, and the right features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.contenders import Network
from benchmarks.measure import Failed
from benchmarks.plain import frame
from verger.photos.decode import decode

FAR = 1e-3  # of the largest feature
_LOOKED_AT = 64


def check(
    who: str, written: Path, photos: Path, count: int, network: Network | None
) -> float | None:
    """Compare what was written with the photos, and with features made here, of some of them.

    Returns how far features are off at most, as a share of the largest; None without a network to
    make them with. Only photos count that Verger and its peers decode to the same pixels. Raises
    `Failed` for rows that are missing, double or labelled wrongly, and where features are off.
    """
    table = pq.read_table(written, columns=["path", "label", "features"])
    names = ["/".join(path.split("/")[-2:]) for path in table["path"].to_pylist()]
    if len(names) != count or len(set(names)) != count:
        raise Failed(
            f"{who} wrote {len(names):,} rows of {len(set(names)):,} photos, not {count:,}"
        )
    if [name.split("/")[0] for name in names] != table["label"].to_pylist():
        raise Failed(f"{who} wrote labels that are not the photos' folders")
    if network is None:
        return None
    picked = np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int)
    wanted, rows = _made_here([photos / names[row] for row in picked], network)
    if not len(rows):
        raise Failed("Verger and its peers decode none of the photos to the same pixels")
    values = np.array(table["features"].take(picked[rows]).to_pylist(), np.float32)
    off = float(np.abs(values - wanted).max() / np.abs(wanted).max())
    if off > FAR:
        raise Failed(f"{who}: features with {network.name} are off by {off:.2g}, more than {FAR:g}")
    return off


def _made_here(files: list[Path], network: Network) -> tuple[npt.NDArray[np.float32], list[int]]:
    """Return the features of those photos that all decode alike, and which they are."""
    contents = [file.read_bytes() for file in files]
    pixels = [frame(content, network.recipe) for content in contents]
    framing = network.backbone.card.input.framing
    rows = [
        row
        for row, content in enumerate(contents)
        if np.array_equal(decode(content, framing, thumbnail=False).pixels, pixels[row])
    ]
    if not rows:
        return np.empty((0, 0), np.float32), rows
    return network.backbone.network()(np.stack([pixels[row] for row in rows])), rows
