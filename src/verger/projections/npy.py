"""Arrays as `np.save` writes them, read without trust: nothing is parsed, and nothing is copied."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC = b"\x93NUMPY\x01\x00"  # of version 1.0, after which come two bytes: the header's length
_HEADER_AT = 10


def array_in(
    data: npt.NDArray[np.uint8], name: str, dtype: str, shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """View the bytes of an .npy file as the array that it is known to hold, in C order.

    `np.load` takes more, such as archives, and allocates what a header asks for before it looks at
    the data. Here the header is compared with the one that there must be. Raises `ValueError` for
    any other, and for data of another length; `name` is the file's.
    """
    if data[: len(_MAGIC)].tobytes() != _MAGIC or len(data) < _HEADER_AT:
        raise ValueError(f"{name} is not a .npy file of version 1.0")
    start = _HEADER_AT + int.from_bytes(data[len(_MAGIC) : _HEADER_AT].tobytes(), "little")
    header = data[_HEADER_AT:start].tobytes().decode("latin-1").rstrip()
    wanted = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}"
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if header != wanted or len(data) - start != size:
        raise ValueError(f"{name} is not an array of dtype {dtype} and shape {shape}")
    return data[start:].view(dtype).reshape(shape)
