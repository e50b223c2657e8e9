"""What takes seconds to make, made once for all the processes that share the tests out."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return this process's copy of a folder that `make` filled, whichever process asked first."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    made = base / f"made-once-{name}"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        if not made.exists():
            under_way = made.with_suffix(".part")
            shutil.rmtree(under_way, ignore_errors=True)  # of a try that failed
            under_way.mkdir()
            make(under_way)
            under_way.rename(made)
    return Path(shutil.copytree(made, factory.mktemp(name) / name))
