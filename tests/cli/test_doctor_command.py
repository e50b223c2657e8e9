"""`verger doctor` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whole_runs import Here

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]  # which it joins


def test_a_machine_that_is_well(here: Here, orchard: Path, tmp_path: Path) -> None:
    ended = here("doctor", orchard, tmp_path / "store")
    lines = ended.out.splitlines()
    assert [line.split()[1] for line in lines] == [
        "Python", "Java", "memory", "disk", "cache", "backbone", "device", "PHOTOS", "STORE",
        "STORE", "Spark",
    ]  # fmt: skip
    # Memory and disk are what the machine has; they may be short on it.
    assert {line.split()[0] for line in lines if "GB" not in line} == {"OK"}, ended.out
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_fails_with_a_remedy(here: Here, tmp_path: Path) -> None:
    ended = here("doctor", tmp_path / "none", "--json")
    assert ended.code == 1
    checks = {check["name"]: check for check in json.loads(ended.out)}
    assert checks["PHOTOS"]["state"] == "FAIL"
    assert checks["PHOTOS"]["remedy"]
    assert checks["Spark"]["state"] == "OK"
