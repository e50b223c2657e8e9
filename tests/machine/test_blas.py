"""Decompositions on one thread: what is around them keeps its own."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import numpy
from threadpoolctl import threadpool_info
from verger.machine.blas import on_one_thread

def threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

@on_one_thread
def inside(a, *, b):
    "A word on it."
    return threads(), a + b

before = threads()
assert inside(1, b=2) == ({1}, 3)
assert threads() == before
assert inside.__name__ == "inside" and inside.__doc__ == "A word on it."
"""


def test_a_decomposition_has_one_thread_and_the_rest_as_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={"OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
