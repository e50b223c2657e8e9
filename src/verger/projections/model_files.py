"""Saved models: one JSON file that names its arrays, and the arrays as .npy. No pickle.

    pca.json      {"format": 2, "kind": "pca", …, "arrays": {"mean": {file, dtype, shape, sha256}}}
    pca.mean.npy        …

Everything is checked before anything is built: the format, the kind, each array's name, size,
SHA-256, dtype and shape.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from verger.errors import StoreError
from verger.projections.npy import array_in

FORMAT = 2  # since 2, the discriminant projection takes the square root of features
_MOST_BYTES = 4 * 2**30
_NAME = re.compile(r"[a-z_]+")

Arrays = Mapping[str, npt.NDArray[np.float64]]


def save_model(folder: Path, kind: str, fields: Mapping[str, Any], arrays: Arrays) -> None:
    """Write a model into `folder`: the arrays first, the JSON that names them last."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array, dtype="<f8"), allow_pickle=False)
        data = buffer.getvalue()
        file = f"{kind}.{name}.npy"
        (folder / file).write_bytes(data)
        listed[name] = {
            "file": file,
            "dtype": "<f8",
            "shape": list(array.shape),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    header = {"format": FORMAT, "kind": kind, **fields, "arrays": listed}
    text = json.dumps(header, indent=2, allow_nan=False)
    (folder / f"{kind}.json").write_text(text + "\n", encoding="utf-8")


def load_model(
    folder: Path, kind: str, shapes: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, Any], dict[str, npt.NDArray[np.float64]]]:
    """Read a model: its JSON fields, and its arrays.

    `shapes` names the arrays that there must be and their dimensions, such as
    `{"mean": ("d",), "components": ("k", "d")}`; one name is one size throughout. Raises
    `StoreError` for a file that is missing, truncated, foreign, newer or inconsistent.
    """
    file = folder / f"{kind}.json"
    try:
        header = json.loads(file.read_bytes())
        version = header["format"]
        if header["kind"] != kind:
            raise ValueError("of another kind")
        if type(version) is not int or version < 1:
            raise ValueError(f"format {version!r}")
    except FileNotFoundError:
        raise StoreError(f"No {kind} model in {folder}: {file.name} is missing.") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{file} is not a saved {kind} model ({error}).") from None
    if version > FORMAT:
        raise StoreError(
            f"{file} has format {version}; this version of Verger reads up to {FORMAT}.",
            hint="Upgrade Verger.",
        )
    try:
        sizes: dict[str, int] = {}
        arrays = {
            name: _load_array(folder, header["arrays"][name], dims, sizes)
            for name, dims in shapes.items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{file} cannot be used: one of its arrays is missing or damaged ({error}).",
            hint="Run `verger run` again with --overwrite.",
        ) from None
    return header, arrays


def count_of(header: Mapping[str, Any], name: str) -> int:
    """Return a field that counts something. Raises `ValueError` for anything else."""
    value = header[name]
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{name} is set to {str(value)[:40]}")
    return value


def number_of(header: Mapping[str, Any], name: str) -> float:
    """Return a field that is a number of 0 or more. Raises `ValueError` for anything else."""
    value = header[name]
    if type(value) not in (int, float) or not 0 <= value < 1e308:
        raise ValueError(f"{name} is set to {str(value)[:40]}")
    return float(value)


def flag_of(header: Mapping[str, Any], name: str) -> bool:
    """Return a field that is true or false. Raises `ValueError` for anything else."""
    value = header[name]
    if type(value) is not bool:
        raise ValueError(f"{name} is set to {str(value)[:40]}")
    return value


def _load_array(
    folder: Path, entry: Mapping[str, Any], dims: tuple[str, ...], sizes: dict[str, int]
) -> npt.NDArray[np.float64]:
    name = str(entry["file"])
    if Path(name).name != name or not all(_NAME.fullmatch(p) for p in name.split(".")):
        raise ValueError(f"{name!r} is not the name of an array file")
    if (folder / name).stat().st_size > _MOST_BYTES:
        raise ValueError(f"{name} is too large")
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ValueError(f"the SHA-256 of {name} is not the one that was saved")
    if entry["dtype"] != "<f8":
        raise ValueError(f"{name} has dtype {entry['dtype']}")
    shape = tuple(entry["shape"])
    if len(shape) != len(dims) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"{name} has shape {str(shape)[:40]}")
    array = array_in(np.frombuffer(data, np.uint8), name, "<f8", shape).astype(np.float64)
    for dim, size in zip(dims, shape, strict=True):
        if sizes.setdefault(dim, size) != size:
            raise ValueError(f"{name} has shape {shape}, which does not fit the other arrays")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not numbers")
    return array
