"""The files of a gallery: written once, read whole, checked before use. No pickle.

gallery.json        format, labels, groups, calibration; name, dtype, shape, SHA-256 of the rest
vectors.npy         float32 (n, k), the photos in the projected space, at unit length
label_ids.npy       int32 (n,), −1 for a photo without a label
means.npy           float32 (L, k), the mean direction of each label, of length 1
likenesses.npy      float32 (L, d), the same of the features themselves, after `root_unit`
photos.arrow        the photos' paths, one column, in the order of the vectors
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.errors import StoreError
from verger.projections.npy import array_in

FORMAT = 2  # 1: calibrations that told labels and species apart alone
KIND = "gallery"
HEADER = "gallery.json"
_DTYPES = {"vectors": "<f4", "label_ids": "<i4", "means": "<f4", "likenesses": "<f4"}
_VALUES_AT_ONCE = 2**20
AGAIN = "`verger reduce STORE` makes it again."


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def write_header(folder: Path, fields: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Write `gallery.json`, last: it names each file with its size and SHA-256."""
    listed = {
        name: {"file": file.name, "bytes": file.stat().st_size, "sha256": sha256_of(file)}
        for name, file in files.items()
    }
    header = {"format": FORMAT, "kind": KIND, **fields, "files": listed}
    text = json.dumps(header, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / HEADER).write_text(text + "\n", encoding="utf-8")


def read_header(folder: Path, store: str) -> dict[str, Any]:
    """Read `gallery.json`. Raises `StoreError` where it is missing, newer, or none."""
    file = folder / HEADER
    try:
        header = json.loads(file.read_bytes())
        version, kind = header["format"], header["kind"]
    except FileNotFoundError:
        raise StoreError(f"There is no gallery in {store}.", hint=AGAIN) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{file} is not a gallery ({error!r}).", hint=AGAIN) from None
    if kind != KIND or type(version) is not int or version < 1:
        raise StoreError(
            f"{file} is not a gallery (kind {kind!r}, format {version!r}).", hint=AGAIN
        )
    if version > FORMAT:
        raise StoreError(
            f"{file} has format {version}; this version of Verger reads up to {FORMAT}.",
            hint="Upgrade Verger.",
        )
    return dict(header)


def read_checked(
    folder: Path, header: Mapping[str, Any], name: str, file: str
) -> npt.NDArray[np.uint8]:
    """Read one of a gallery's files. Raises ValueError unless it is what was saved.

    Read, not mapped: a mapped file that another program cuts short ends this one (SIGBUS), and a
    look-up goes through all of it in any case.
    """
    entry = header["files"][name]
    path = folder / file
    if entry["file"] != file or path.is_symlink() or not path.is_file():
        raise ValueError(f"{file} is missing")
    fits = path.stat().st_size == entry["bytes"]
    data = np.fromfile(path, dtype=np.uint8, count=entry["bytes"] if fits else 0)
    if not fits or hashlib.sha256(data.data).hexdigest() != entry["sha256"]:
        raise ValueError(f"{file} is not the file that was saved: size or SHA-256 differ")
    data.flags.writeable = False
    return data


def array_of(
    data: npt.NDArray[np.uint8], file: str, name: str, shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Return an array of a known dtype and shape, from a file. Raises ValueError for any other."""
    dtype = _DTYPES[name]
    array = array_in(data, file, dtype, shape)
    if dtype == "<f4" and not _all_finite(array):
        raise ValueError(f"{file} holds values that are not numbers")
    return array


def _all_finite(array: npt.NDArray[np.float32]) -> bool:
    """Look at an array a block at a time, so that nothing of its size is held beside it."""
    flat = array.reshape(-1)
    blocks = range(0, len(flat), _VALUES_AT_ONCE)
    return all(np.isfinite(flat[start : start + _VALUES_AT_ONCE]).all() for start in blocks)


def paths_of(data: npt.NDArray[np.uint8], file: str, photos: int) -> pa.ChunkedArray:
    """Return the paths, from a file. Raises ValueError unless they are `photos` sound strings."""
    table = pa.ipc.open_file(pa.py_buffer(data)).read_all()
    table.validate(full=True)
    if table.schema != paths_schema() or len(table) != photos:
        raise ValueError(f"{file} does not hold {photos} paths")
    return table.column("path")


def paths_schema() -> pa.Schema:
    """Schema of `photos.arrow`."""
    return pa.schema([pa.field("path", pa.string(), nullable=False)])
