"""Moments as bytes: on their way between tasks, and kept in a file. No pickle, and no Spark."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from verger.projections.moments import Moments

Parts = dict[str, Moments]  # moments of several spaces, by name


def to_bytes(parts: Parts) -> bytes:
    """Lay moments out: the length of a JSON head, the head, the arrays (scatters as triangles)."""
    return b"".join(pieces(parts))


def pieces(parts: Parts) -> Iterator[bytes]:
    """Give what `to_bytes` does a little at a time: all of it at once is as much memory again."""
    head = [
        {"space": space, "n": m.n, "d": m.features, "labels": m.labels}
        for space, m in parts.items()
    ]
    text = json.dumps(head).encode()
    yield struct.pack("<I", len(text))
    yield text
    for m in parts.values():
        yield m.mean.tobytes()
        yield from (row[at:].tobytes() for at, row in enumerate(m.scatter))
        yield m.label_counts.tobytes()
        yield from (row.tobytes() for row in m.label_means)


def from_bytes(content: bytes, features: int | None = None) -> Parts:
    """Read what `to_bytes` wrote. Raises ValueError for anything else.

    With `features`, those of any other width are refused, before anything is allocated.
    """
    try:
        return _parts(content, features)
    except (struct.error, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no moments ({error!r})") from None


def merged(parts: Iterable[Parts]) -> Parts:
    """Merge moments space by space; one that some do not have is that of the others."""
    found: Parts = {}
    for part in parts:
        for space, moments in part.items():
            found[space] = found[space].merge(moments) if space in found else moments
    return found


def _parts(content: bytes, features: int | None) -> Parts:
    (length,) = struct.unpack_from("<I", content)
    at = 4 + length

    def take(count: int, dtype: str = "<f8") -> np.ndarray[Any, Any]:
        nonlocal at
        array = np.frombuffer(content, dtype, count, at)
        at += array.nbytes
        return array

    parts: Parts = {}
    for one in json.loads(content[4 : 4 + length]):
        d, labels = one["d"], tuple(one["labels"])
        if features not in (None, d):
            raise ValueError(f"moments of {d} features")
        mean = take(d)
        scatter = np.empty((d, d))
        for row in range(d):
            scatter[row, row:] = scatter[row:, row] = take(d - row)
        counts = take(len(labels), "<i8")
        means = take(len(labels) * d).reshape(len(labels), d)
        parts[one["space"]] = Moments(one["n"], mean, scatter, labels, counts, means)
    return parts
