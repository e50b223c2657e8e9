"""What a process of ours does without, to begin sooner."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from threading import get_ident
from types import ModuleType


def keep_pandas_out() -> None:
    """Have pyarrow do without pandas in this process, until `to_pandas` asks for it.

    It would import pandas at the first array that is made of a list, for the `to_pandas` of its
    tables: 0.6 s and 50 MB. Only where nobody asks for that, as on the command line. Others, such
    as Spark, still find pandas. pyarrow itself, 0.2 s, is imported only by who needs it.
    """
    if _LOOK not in sys.meta_path:
        sys.meta_path.insert(0, _LOOK)
        if "pyarrow" in sys.modules:
            _LOOK.once(sys.modules["pyarrow"])


class _Look:
    """Import hook: pyarrow looks for pandas, once, as soon as it is there, and finds none.

    It stays where it is: another thread may be on its way through `sys.meta_path`.
    """

    _thread: int | None = None  # the one that looks: others may import pandas meanwhile

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "pandas" and self._thread == get_ident():
            raise ModuleNotFoundError(name=name)
        if name != "pyarrow":
            return None
        finders = (one for one in sys.meta_path if one is not self)
        specs = (one.find_spec(name, path, target) for one in finders)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def and_look(module: ModuleType) -> None:
                execute(module)
                self.once(module)

            spec.loader.exec_module = and_look  # type: ignore[method-assign]
        return spec

    def once(self, pyarrow: ModuleType) -> None:
        """Have it look, unless pandas is imported already, or on its way and importing pyarrow."""
        if "pandas" in sys.modules:
            return
        self._thread = get_ident()
        try:
            pyarrow.array([0])
        finally:
            self._thread = None


_LOOK = _Look()
