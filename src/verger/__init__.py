"""Verger: a folder of labelled fruit photos becomes a reduced feature matrix, on Apache Spark.

The names below are Verger's Python interface; everything else may change without notice. Nothing
is loaded before it is asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from verger import _moved

# Not from `typing`: a file of that name may lie in the folder that `python -m verger` is run in.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from verger import ml
    from verger.errors import VergerError
    from verger.interface import (
        Evaluation,
        Identification,
        Outcome,
        Plan,
        Store,
        evaluate,
        identify,
        open_store,
        plan,
        reduce,
        run,
    )

__version__ = "0.2.0"

__all__ = [
    "Evaluation",
    "Identification",
    "Outcome",
    "Plan",
    "Store",
    "VergerError",
    "evaluate",
    "identify",
    "ml",
    "open_store",
    "plan",
    "reduce",
    "run",
]


class _Verger(ModuleType):
    """Keeps `verger.evaluate` a function when the old submodule of that name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "ml" or name not in __all__ or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'verger' has no attribute {name!r}")
    if name == "ml":
        return import_module("verger.ml")
    home = "verger.errors" if name == "VergerError" else "verger.interface"
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]  # not the rooms that happen to be imported


sys.modules[__name__].__class__ = _Verger
_moved.install()
