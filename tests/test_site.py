"""The site that `make site` makes of the pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FETCHED = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*\b(?:src|href)=\"(?:https?:)?//")


@pytest.mark.slow
def test_the_site_is_whole_and_needs_no_other_host(tmp_path: Path) -> None:
    """No link between pages is broken, and a page opened from the disk fetches nothing."""
    site = tmp_path / "site"
    line = [
        "-q",
        "-W",
        "--keep-going",
        "-c",
        "docs",
        "-d",
        str(tmp_path / "doctrees"),
        "-b",
        "html",
    ]
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", *line, ".", str(site)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    index = (site / "docs" / "index.html").read_text(encoding="utf-8")
    for part in ("First steps", "How-to", "Explained", "Reference"):
        assert f'<span class="caption-text">{part}</span>' in index
    pages = list(site.rglob("*.html"))
    assert len(pages) > 80
    fetching = {page.name for page in pages if FETCHED.search(page.read_text(encoding="utf-8"))}
    assert fetching == set()
