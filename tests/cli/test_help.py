"""Help that fits on a screen, and says all when asked."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from verger.cli.helping import SECTIONS
from verger.cli.main import cli


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
    assert "..." not in told("--help")


@pytest.mark.parametrize("command", ["run", "reduce"])
def test_all_options_are_told_when_asked(command: str) -> None:
    brief, whole = told(command, "--help"), told(command, "--help-all")
    assert "--spark-conf" not in brief
    assert "--spark-conf" in whole
    assert "--help-all" in brief
