"""Text that a spreadsheet would take for a formula: quoted in the report's CSV, and read back."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verger.photos.cells import FORMULA, QUOTED, unquoted

BEGINNINGS = ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
TEXTS = st.text(st.sampled_from([*BEGINNINGS, "'", "a", "1", "é", " "]), max_size=6) | st.text()


def quoted(text: str) -> str:
    (cell,) = pc.replace_substring_regex(pa.array([text]), FORMULA, QUOTED).to_pylist()
    assert isinstance(cell, str)
    return cell


@given(TEXTS)
def test_what_is_quoted_is_no_formula_and_reads_as_it_was(text: str) -> None:
    cell = quoted(text)
    assert not cell.startswith(tuple(BEGINNINGS))
    assert unquoted(cell) == text
    assert cell in (text, f"'{text}")


@pytest.mark.parametrize("begins", BEGINNINGS)
def test_each_beginning_of_a_formula_is_quoted(begins: str) -> None:
    assert quoted(f"{begins}HYPERLINK(1)") == f"'{begins}HYPERLINK(1)"


@pytest.mark.parametrize("text", ["", "plum", "'plum", "a=b", " =1", "a\n=b", "1-2", "é@x"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert quoted(text) == unquoted(text) == text
