"""The language that is asked for once: report, slides and notebook keep it, until another is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from verger.errors import UsageError
from verger.settings import RunSettings
from verger.store.language import language_of
from verger.store.store import Store
from whole_runs import Here

pytestmark = pytest.mark.slow


def page(store: Path) -> str:
    """The language that the report is in."""
    head = (store / "report" / "report.html").read_text(encoding="utf-8")[:200]
    return head.partition('<html lang="')[2][:2]


def recorded(store: Path) -> str:
    return str(json.loads((store / "run.json").read_text())["settings"]["language"])


def test_it_goes_on_from_command_to_command(
    here: Here, photos_of: Callable[..., Path], tmp_path: Path
) -> None:
    photos, store = photos_of("a/1.jpg", "a/2.jpg", "b/3.jpg"), tmp_path / "store"
    assert here("run", photos, store, "--language", "fr").code == 0  # without a report
    assert (recorded(store), language_of(Store(store))) == ("fr", "fr")
    assert here("report", store).code == 0
    assert page(store) == "fr"
    (photos / "a" / "4.jpg").write_bytes((photos / "b" / "3.jpg").read_bytes())
    assert here("run", photos, store, "--report").code == 0
    assert (page(store), recorded(store)) == ("fr", "fr")
    ended = here("run", photos, store, "--report", "--language", "en")
    assert ended.out.startswith("Up to date")
    assert (page(store), recorded(store)) == ("en", "en")
    assert here("report", store, "--language", "fr").code == 0  # by itself, too
    assert here("reduce", store, "--components", "1").code == 0
    assert (page(store), recorded(store)) == ("fr", "fr")


def test_slides_and_notebook_are_in_it(
    here: Here,
    photos_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photos, store = photos_of("a/1.jpg", "b/2.jpg"), tmp_path / "store"
    assert here("run", photos, store, "--language", "fr").code == 0
    monkeypatch.chdir(tmp_path)
    assert here("notebook", store).out == "verger.fr.ipynb\n"
    assert here("slides", store).out.startswith(f"{store}/slides/slides-fr.pptx\n")
    assert here("slides", store, "--language", "en").out.startswith(f"{store}/slides/slides-en")


def test_another_language_is_refused() -> None:
    with pytest.raises(UsageError, match="--language de: Verger does not speak it") as refused:
        RunSettings(language="de")
    assert "Choose en or fr." in str(refused.value)
