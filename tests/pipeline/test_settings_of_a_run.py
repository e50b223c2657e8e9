"""The settings of the projection: those given, each time, and a line where STORE has others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from whole_runs import Here

pytestmark = pytest.mark.slow

LINE = (
    "The matrix is made with --components 0.95 --csv; the one in STORE with --components 1 "
    "--no-csv. To go on with that, give --components 1 --no-csv."
)


def test_a_run_says_where_it_reduces_otherwise_than_was_done_before(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    photos, store = photos_of("a/1.jpg", "b/2.jpg", "b/3.jpg"), tmp_path / "store"
    first = here("run", photos, store, "--no-csv")
    assert first.code == 0, first.err
    assert "STORE with" not in first.err
    reduced = here("reduce", store, "-k", 1)
    assert reduced.code == 0, reduced.err
    assert "STORE with" not in reduced.err

    same = here("run", photos, store, "-k", 1, "--no-csv")
    assert "STORE with" not in same.err
    assert LINE in here("run", photos, store, "--dry-run").err.splitlines()
    assert here("run", photos, store, "--dry-run", "--quiet").err == ""
    assert LINE in here("run", photos, store).err.splitlines()
    assert LINE not in here("run", photos, store).err.splitlines()  # it has these now
