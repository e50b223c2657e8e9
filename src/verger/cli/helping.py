"""How help is laid out: commands by what they are for, and options that few need apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

SECTIONS = {
    "Start": ("demo", "doctor", "run"),
    "Name a fruit": ("identify", "evaluate", "serve", "app"),
    "Look and mend": (
        "report", "rejects", "relabel", "reduce", "log", "checkout", "export", "verify",
    ),
    "Present": ("slides", "notebook"),
    "Set up": ("cloud", "backbones", "prepare"),
}  # fmt: skip


class Sections(click.Group):
    """A group whose help lists its commands by section."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write a list for each section; a command without one is a mistake of ours."""
        widest = max(map(len, self.commands))
        room = formatter.width - 6 - widest
        for section, names in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (name.ljust(widest), self.commands[name].get_short_help_str(room))
                        for name in names
                    ]
                )


def full_help(context: click.Context) -> str:
    """Return the help of a command with the options that few need."""
    options = [one for one in context.command.params if isinstance(one, click.Option)]
    rare = [one for one in options if one.hidden]
    try:
        for one in rare:
            one.hidden = False
        return context.get_help()
    finally:  # a command is there once for the whole process
        for one in rare:
            one.hidden = True


def _show_all(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(full_help(context))
        context.exit()


help_all: Callable[[Any], Any] = click.option(
    "--help-all",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_all,
    help="Show the options that few need, too.",
)
