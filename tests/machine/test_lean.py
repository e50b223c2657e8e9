"""What a command's process does without: pandas, and pyarrow where no table is read."""

from __future__ import annotations

import subprocess
import sys
import threading
from importlib.util import find_spec
from types import ModuleType

import pytest

from verger.machine import lean

_KEEP_OUT = "import sys\nfrom verger.machine.lean import keep_pandas_out as keep_out\n"
_NONE = "assert pa.array([1]).type == pa.int64()\nassert 'pandas' not in sys.modules\n"
_FRAME = "assert list(pa.table({'a': [1]}).to_pandas().columns) == ['a']\n"


@pytest.mark.parametrize(
    "script",
    [
        "keep_out()\nassert 'pyarrow' not in sys.modules\nimport pyarrow as pa\n" + _NONE + _FRAME,
        "keep_out()\nkeep_out()\nimport pyarrow.parquet, pyarrow as pa\n" + _NONE,
        "keep_out()\nfrom importlib.util import find_spec\n"
        "assert find_spec('pyarrow').loader.get_data(find_spec('pyarrow').origin)\n"
        "import pyarrow as pa\n" + _NONE,
        "import pyarrow as pa\nkeep_out()\n" + _NONE + _FRAME,
        "keep_out()\nimport pandas, pyarrow as pa\n" + _FRAME,
        "keep_out()\nimport pyarrow as pa\n" + _NONE + "import pandas\n" + _FRAME,
    ],
    ids=["later", "twice", "asked for first", "sooner", "pandas first", "pandas later"],
)
def test_pyarrow_does_without_pandas_whenever_it_comes(script: str) -> None:
    line = [sys.executable, "-c", _KEEP_OUT + script]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_that_reads_no_table_does_without_pyarrow() -> None:
    script = (
        "import sys; from verger.cli.main import main\n"
        "try: main()\n"
        "finally: print('pyarrow' in sys.modules)"
    )
    line = [sys.executable, "-c", script, "cloud", "policy", "orchard"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"


def test_other_threads_find_pandas_while_pyarrow_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = lean._Look()
    monkeypatch.setattr(sys, "meta_path", [hook, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    found: list[bool] = []

    def array(_: list[int]) -> None:
        other = threading.Thread(target=lambda: found.append(find_spec("pandas") is not None))
        other.start()
        other.join()
        with pytest.raises(ModuleNotFoundError):
            find_spec("pandas")

    pyarrow = ModuleType("pyarrow")
    vars(pyarrow)["array"] = array
    hook.once(pyarrow)
    assert found == [True]
    assert find_spec("pandas") is not None
