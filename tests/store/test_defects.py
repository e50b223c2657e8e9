"""What is said of a file that is wrong: what mends it."""

from __future__ import annotations

import pytest

from verger.store.defects import MISSING, finding


@pytest.mark.parametrize(
    ("path", "what", "remedy"),
    [
        (".verger/work/parts-1/features/part-1.parquet", MISSING, "Run again."),
        (".verger/journal.json", "is damaged", "Delete it, and run again."),
        ("gallery/means.npy", MISSING, "`verger reduce STORE` makes it again."),
    ],
)
def test_what_is_not_there_need_not_be_deleted(path: str, what: str, remedy: str) -> None:
    assert finding(path, what).remedy == remedy
