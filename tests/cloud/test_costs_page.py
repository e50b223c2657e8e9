"""The page of costs says what the plan says, and the check notices when it does not."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from verger.cloud.plan import Workload, estimate
from verger.cloud.prices import table_prices

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "cloud_costs.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_the_committed_page_is_what_the_plan_says(script: dict[str, Any]) -> None:
    assert script["main"](["--check"]) == 0


def test_a_changed_or_missing_page_fails_the_check(
    script: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    assert script["main"](["--check", "--page", str(page)]) == 1
    assert script["main"](["--page", str(page)]) == 0
    assert script["main"](["--check", "--page", str(page)]) == 0
    page.write_text(page.read_text(encoding="utf-8") + "more\n", encoding="utf-8")
    assert script["main"](["--check", "--page", str(page)]) == 1
    assert "is stale: run `make docs`" in capsys.readouterr().err


def test_the_page_has_the_number_that_is_promised(script: dict[str, Any]) -> None:
    work = Workload(photos=67_692, size=67_692 * 4_800, listed=67_692)
    server = estimate(work, table_prices("eu-west-1")).of("ec2")
    assert server.eur <= 0.10
    assert f"**{server.eur:.3f} EUR**" in script["page"]()
