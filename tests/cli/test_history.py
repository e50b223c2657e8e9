"""`verger log` and `verger checkout` as a person and a program see them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.exceptions import UsageError as UsageException
from click.testing import CliRunner, Result

from store.test_history import older, publish
from verger.cli.main import cli
from verger.errors import StoreError, UsageError
from verger.store.log import note_drift
from verger.store.store import Store
from verger.texts.command import speak


def verger(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A STORE of five days, the last of which brought rejects alone."""
    store = Store(tmp_path / "store")
    for day in range(1, 5):
        publish(store, day)
        note_drift(store, store.whole_run(), "first" if day == 1 else "clear")
    publish(store, 5, of="rejects")
    return store


def test_a_line_is_a_run_the_last_one_first(store: Store) -> None:
    assert verger("log", store.root).stdout.splitlines() == [
        "run  ended (UTC)          photos  rejected  k  variance  drift  kept  what changed",
        "  5  2026-11-05 06:00:00      50         1  3     95.1%  -      yes   5 new, 4 gone",
        "  4  2026-11-04 06:00:00      40         1  3     95.1%  clear  yes   4 new, 3 gone",
        "  3  2026-11-03 06:00:00      30         1  3     95.1%  clear  yes   3 new, 2 gone",
        "  2  2026-11-02 06:00:00      20         1  3     95.1%  clear  -     2 new, 1 gone",
        "  1  2026-11-01 06:00:00      10         1  3     95.1%  first  -     1 new",
    ]


def test_in_french_one_and_several_are_told_apart(store: Store) -> None:
    speak("fr")
    try:
        lines = verger("log", store.root).stdout.splitlines()
    finally:
        speak("en")
    assert lines[1].endswith("5 nouvelles, 4 disparues")
    assert lines[4].endswith("2 nouvelles, 1 disparue")
    assert lines[5].endswith("1 nouvelle")


def test_as_json(store: Store) -> None:
    runs = json.loads(verger("log", store.root, "--json").stdout)
    assert [run["run"] for run in runs] == [5, 4, 3, 2, 1]
    assert runs[1] == {
        "run": 4, "finished": "2026-11-04T06:00:00+00:00", "reduced": False, "photos": 40,
        "rejected": 1, "k": 3, "variance": 0.9512, "held": False, "drift": "clear", "kept": True,
        "changes": {"new": 4, "changed": 0, "kept": 9, "relabelled": 0, "gone": 3}, "settings": {},
    }  # fmt: skip


def test_the_last_ones_alone(store: Store) -> None:
    every = verger("log", store.root).stdout.splitlines()
    assert verger("log", store.root, "--last", 2).stdout.splitlines() == every[:3]
    assert verger("log", store.root, "--last", 9).stdout.splitlines() == every
    assert isinstance(verger("log", store.root, "--last", 0).exception, UsageException)


def test_settings_that_were_others_before_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for day, components in enumerate(("0.95", "0.95", "50"), 1):
        settings = {"components": components, "csv": day != 3, "standardize": day == 3}
        publish(store, day, settings=settings | {"retry_rejects": day == 2})
    lines = verger("log", store.root).stdout.splitlines()
    assert lines[1].endswith("3 new, 2 gone, --components 50, --standardize, --no-csv")
    assert lines[2].endswith("2 new, 1 gone")
    assert verger("log", store.root, "--last", 1).stdout.splitlines()[1] == lines[1]


def test_a_store_of_before_says_when_its_history_begins(store: Store) -> None:
    older(store)
    told = verger("log", store.root)
    assert told.stdout.splitlines()[1].startswith("  -  2026-11-05 06:00")
    assert "its history begins with the next run" in told.stderr


@pytest.mark.parametrize("command", ["run", "reduce"])
def test_who_publishes_is_told_how_much_to_keep(command: str) -> None:
    assert "--keep N" in verger(command, "--help-all").stdout


def test_where_no_run_is(tmp_path: Path) -> None:
    assert isinstance(verger("log", tmp_path / "nothing").exception, StoreError)


def test_a_matrix_is_written_and_a_line_says_so(store: Store, tmp_path: Path) -> None:
    told = verger("checkout", store.root, 3, "--output", tmp_path / "to", "--quiet")
    assert told.stdout == (
        "Run 3 that ended 2026-11-03T06:00:00+00:00: its matrix and projection (4 files, 0.0 MB) "
        f"are in {tmp_path / 'to'}.\n"
    )
    assert json.loads((tmp_path / "to" / "run.json").read_text())["drift"] == "clear"
    as_of = ["--as-of", "2026-11-03", "--output", tmp_path / "as-of"]
    assert verger("checkout", store.root, *as_of).stdout.startswith("Run 3 that ended")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ([], UsageError),
        ([3, "--as-of", "2026-11-03"], UsageError),
        (["--as-of", "Tuesday"], UsageError),
        ([0], UsageException),
        (["tuesday"], UsageException),
        ([2], StoreError),  # kept no longer
        ([9], StoreError),
        (["--as-of", "2020-01-01"], StoreError),
    ],
)
def test_what_cannot_be_had(
    store: Store, tmp_path: Path, words: list[object], kind: type[Exception]
) -> None:
    error = verger("checkout", store.root, *words, "--output", tmp_path / "to").exception
    assert isinstance(error, kind)
    assert "\n" not in str(error)
    assert not (tmp_path / "to").exists()
