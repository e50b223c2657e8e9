"""What a process of ours does without, to begin sooner."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


def keep_pandas_out() -> None:
    """Have pyarrow do without pandas in this process, until `to_pandas` asks for it.

    It would import pandas at the first array that is made of a list, for the `to_pandas` of its
    tables: 0.6 s and 50 MB. Only where nobody asks for that, as on the command line. Others, such
    as Spark, still find pandas.
    """
    if "pandas" in sys.modules:
        return
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        import pyarrow as pa

        pa.array([0])  # it looks once
    except ImportError:  # whoever needs it tells
        pass
    finally:
        sys.meta_path.remove(hidden)


class _Hidden(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - Python's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)
