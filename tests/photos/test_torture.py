"""Of each file of the torture folder comes what its table says: listed, and decoded one by one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from makers import torture
from verger.photos.decode import Photo, decode
from verger.photos.labels import labeller_from
from verger.photos.reasons import Reject
from verger.photos.references import PhotoRef
from verger.photos.selection import Selection
from verger.settings import RunSettings
from verger.storage.folder import LocalPlace

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(r"ignore::Warning:PIL\..*")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("torture") / "photos"
    torture.make(made)
    return made


def test_the_listing_and_the_decoder_give_what_the_table_says(folder: Path) -> None:
    place, rows = LocalPlace(folder), torture.expected(folder)
    selection = Selection()
    refs = {ref.path: ref for ref in place.list(labeller_from("parent", ""), selection=selection)}
    taken = {path for path, row in rows.items() if row.outcome != torture.LEFT_OUT}
    assert refs.keys() == taken
    litter = sum(row.outcome == torture.LEFT_OUT for row in rows.values())
    assert selection.notes() == [
        f"{litter - 1} files are left out: hidden, or left by a system (such as ._* or __MACOSX).",
        "Files beside the photos: 1 .csv, 1 .txt.",
    ]
    outcomes = {path: _outcome(place, ref) for path, ref in refs.items()}
    wrong = [
        said
        for path in sorted(taken)
        if (said := _difference(rows[path], refs[path].label, outcomes))
    ]
    assert not wrong, "\n".join(wrong)


def _outcome(place: LocalPlace, ref: PhotoRef) -> Photo | str:
    """The photo, or why there is none."""
    if ref.reason:
        return ref.reason
    if ref.bytes > RunSettings().max_bytes:
        return "too_large"
    try:
        return decode(place.read(ref.path))
    except Reject as reject:
        return str(reject.reason)


def _difference(row: torture.Row, label: str | None, outcomes: dict[str, Photo | str]) -> str:
    """Say what is other than the table says, or nothing."""
    found = outcomes[row.path]
    if isinstance(found, str):
        return "" if found == row.reason else f"{row.path}: {found}, not {row.reason or row.like}"
    right = outcomes[row.like] if row.outcome == torture.EMBEDDED else None
    if not isinstance(right, Photo):
        return f"{row.path}: embedded, not {row.reason}"
    if label != row.label:
        return f"{row.path}: labelled {label!r}, not {row.label!r}"
    levels = np.abs(found.pixels[0].astype(int) - right.pixels[0])
    if levels.mean() > row.mean or levels.max() > row.most:
        return f"{row.path}: {levels.mean():.2f} and {levels.max()} levels from {row.like}"
    return ""


def test_the_script_takes_no_folder_that_is_there(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "scripts" / "torture.py"
    line = [sys.executable, str(script), str(tmp_path)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "already exists" in ended.stderr
