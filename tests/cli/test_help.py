"""Help that fits on a screen, and says all when asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from program import verger
from verger.cli.helping import SECTIONS
from verger.cli.main import cli
from verger.errors import UsageError
from verger.photos.references import STORE_MARK
from verger.settings import parse_components, parse_share


def every(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    for name, command in sorted(group.commands.items()):
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from every(command, *above, name)


def told(*line: str) -> str:
    ended = CliRunner().invoke(cli, line, terminal_width=100, env={"COLUMNS": "100"})
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_each_command_is_in_one_section() -> None:
    named = [name for names in SECTIONS.values() for name in names]
    assert sorted(named) == sorted(cli.commands)


@pytest.mark.parametrize("line", list(every(cli)), ids=" ".join)
def test_help_fits_on_a_screen(line: tuple[str, ...]) -> None:
    assert len(told(*line, "--help").splitlines()) <= 45


def test_the_list_of_commands_cuts_no_sentence() -> None:
    assert "..." not in told("--help").partition("Options:")[2]


@pytest.mark.parametrize("command", ["run", "reduce"])
def test_all_options_are_told_when_asked(command: str) -> None:
    whole, brief = told(command, "--help-all"), told(command, "--help")
    assert "--spark-conf" not in brief
    assert "--spark-conf" in whole
    assert "--help-all" in brief


def test_no_default_is_told_of_what_reducing_leaves_as_it_was() -> None:
    """`verger reduce` without -k keeps the number that STORE was made with."""
    assert "[default: 0.95]" in told("run", "--help")
    assert "default: 0" not in told("reduce", "--help-all")
    assert "default: always" not in told("reduce", "--help-all")


@pytest.mark.parametrize("line", [(), ("cloud",)])
def test_a_command_alone_prints_its_help(line: tuple[str, ...]) -> None:
    ended = verger(*line)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: {' '.join(['verger', *line])} [OPTIONS]")


def test_a_store_that_is_not_one_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"x")
    (tmp_path / "killed" / STORE_MARK).mkdir(parents=True)  # as its first run began
    names = ("none", "", "photo.jpg", "killed")
    said = [verger("identify", str(tmp_path / name), "x.jpg") for name in names]
    assert [ended.code for ended in said] == [4, 4, 4, 4]
    assert "none: it does not exist." in said[0].err
    assert f"No finished run in {tmp_path}: it holds something else. STORE comes" in said[1].err
    assert "photo.jpg is a file; a STORE is a folder. STORE comes first" in said[2].err
    assert "killed. `verger run PHOTOS STORE` makes one." in said[3].err


@pytest.mark.parametrize(("text", "share"), [("0.5", 0.5), ("50%", 0.5), (" 5 % ", 0.05)])
def test_a_share_may_be_in_percent(text: str, share: float) -> None:
    assert parse_share(text) == share
    assert parse_components(text) == share


@pytest.mark.parametrize("text", ["x%", "120%", "100%", "%", "nan%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="neither a whole number"):
        parse_components(text)
