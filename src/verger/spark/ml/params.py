"""How Params are declared and set, the same for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from pyspark.ml.param import Param, Params


def param(name: str, doc: str, converter: Callable[[Any], Any]) -> Param[Any]:
    """Declare a Param, for the attribute of that name of a class."""
    return Param(Params._dummy(), name, doc, typeConverter=converter)


class Settable(Params):
    """Mixin: `setParams`, which takes the same as the constructor."""

    def setParams(self, **params: Any) -> Self:  # noqa: N802 - pyspark's name
        """Set any of the Params. Raises `TypeError` for what is none, or cannot be its value."""
        for name in params:
            if not self.hasParam(name):
                raise TypeError(f"setParams() got an unexpected keyword argument {name!r}")
        return self._set(**params)
