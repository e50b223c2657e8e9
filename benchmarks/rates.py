"""`python -m benchmarks.rates`: what one core does, for the plan of `verger cloud plan`.

CPU time of one process on one thread: decoding by size of the file, the network, and what the
driver alone does for every photo (gallery, CSV). The figures stand in `src/verger/cloud/rates.py`.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageFilter

from benchmarks.reduction import WIDTH, generate
from benchmarks.table import machine
from verger.embed import open_backbone
from verger.embed.backbone import shipped_names
from verger.gallery import build_gallery
from verger.photos.decode import Photo, decode
from verger.projections.discriminant import fit_discriminant, save_discriminant
from verger.projections.moments import Moments, root_unit
from verger.projections.pca import fit_pca, save_pca
from verger.storage.folder import LocalPlace
from verger.store.tables import write_csv

# Pixels of a side, and how far the noise is softened: what a photo has of detail is its bytes.
PHOTOS = (
    (100, 1.0),
    (350, 1.75),
    (1000, 5.0),
    (2000, 10.0),
    (4000, 20.0),
    (4000, 4.0),
    (4000, 1.2),
)
ROWS = (10_000, 30_000)
K = 200
_BATCH = 8


def main() -> None:
    """Measure and print."""
    print(machine())
    photo = decode(_jpeg(*PHOTOS[0]))
    assert isinstance(photo, Photo)
    batch = np.stack([photo.pixels] * _BATCH)
    for name in shipped_names():
        network = open_backbone(name).network()
        print(f"{name:24} {_cpu(partial(network, batch), 40) / _BATCH:7.2f} ms a photo")
    for side, softness in PHOTOS:
        data = _jpeg(side, softness)
        spent = _cpu(partial(decode, data), 100_000 // side**2 + 3)
        print(f"decode {side:5d} px  {spent:7.2f} ms a photo of {len(data) / 1e3:,.1f} kB")
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as folder:
        _driver(Path(folder))


def _driver(folder: Path) -> None:
    """Measure what one process does for every row, on generated features: how two sizes differ."""
    few, many = (_of_rows(folder / str(rows), rows) for rows in ROWS)
    for what in few:
        each = (many[what] - few[what]) / (ROWS[1] - ROWS[0])
        print(f"{what:16} {each:7.3f} ms a photo, and {few[what] / 1e3:.1f} s for {ROWS[0]:,}")


def _of_rows(where: Path, rows: int) -> dict[str, float]:
    generate(where / "features", rows, WIDTH)
    values = _values(where)
    labels = [f"label {row % 20}" for row in range(rows)]
    pca = fit_pca(Moments.of(values), K)
    save_pca(pca, where / "projection")
    unit = Moments.of(root_unit(np.abs(values)), labels)
    save_discriminant(fit_discriminant(unit), where / "projection")
    place, matrix = LocalPlace(where), [_matrix(where, pca.transform(values))]
    return {
        "gallery": _cpu(partial(_gallery, where), 1),
        "csv": _cpu(partial(write_csv, place, matrix, where / "csv", K, print_none), 1),
    }


def print_none(_: int) -> None:
    """Tell no progress."""


def _gallery(where: Path) -> None:
    shutil.rmtree(where / "gallery", ignore_errors=True)
    build_gallery(where / "features", where / "projection", where / "gallery")


def _matrix(where: Path, values: npt.NDArray[np.floating]) -> str:
    offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32) * np.int32(K))
    lists = pa.ListArray.from_arrays(offsets, pa.array(values.astype(np.float32).ravel()))
    names = pa.array([f"{row:09}.jpg" for row in range(len(values))])
    pq.write_table(pa.table({"path": names, "label": names, "components": lists}), where / "m.pq")
    return "m.pq"


def _values(where: Path) -> npt.NDArray[np.float32]:
    table = pq.read_table(where / "features")
    return np.asarray(table["features"].combine_chunks().flatten()).reshape(-1, WIDTH)


def _jpeg(side: int, softness: float) -> bytes:
    """Make a JPEG of softened noise."""
    noise = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(softness))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def _cpu(work: Callable[[], object], times: int) -> float:
    """Return the CPU milliseconds of one call, the best of three rounds."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - start) / times * 1e3)
    return min(rounds)


if __name__ == "__main__":
    main()
