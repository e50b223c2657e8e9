"""Each promise in docs/promises.md names tests that keep it, and these are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = (REPOSITORY / "docs" / "promises.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_each_test_that_is_named_is_there() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 100
    gone = [f"{file}::{name}" for file, name in named if name not in _tests(REPOSITORY / file)]
    assert not gone


def test_each_promise_has_a_test() -> None:
    promises = [line for line in PAGE.splitlines() if line.startswith("| ")]
    kept = [line for line in promises if not line.startswith(("| promise |", "| --- |"))]
    assert len(kept) > 40
    assert [line for line in kept if not NAMED.search(line.split(" | ")[1])] == []


@cache
def _tests(file: Path) -> set[str]:
    if not file.exists():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
