"""The template that gives an app out by CloudFront."""

from __future__ import annotations

from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "docs" / "howto" / "app-cloudfront.yaml"


@pytest.mark.slow
def test_cfn_lint_finds_nothing() -> None:
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    found = lint(TEMPLATE.read_text("utf-8"), config=ManualArgs(regions=["eu-west-1"]))
    assert [str(each) for each in found] == []
