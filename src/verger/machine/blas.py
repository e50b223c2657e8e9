"""How many threads NumPy's linear algebra takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from threadpoolctl import threadpool_limits

_P = ParamSpec("_P")
_R = TypeVar("_R")


def on_one_thread(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Have a function decompose or multiply matrices on one thread.

    The threads of OpenBLAS wait for one another at every column of a decomposition, and spin as
    they do: two on two cores that others use, such as Java, took 3 to 13 s for the eigenvectors of
    1,280 features, where one takes 0.6.

    The limit is the process's own, and OpenBLAS heeds one thread that sets it: where calls overlap
    in threads, some run on several, or what follows runs on one. Results differ in the last bits of
    products at most, which several threads cut up otherwise.
    """
    limited = threadpool_limits.wrap(limits=1, user_api="blas")
    return cast("Callable[_P, _R]", limited(function))
