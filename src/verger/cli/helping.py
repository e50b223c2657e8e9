"""How help is laid out: commands by what they are for, and options that few need apart.

Help is translated as it is written, by the `HelpFormatter` that every command uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from verger.machine.lean import keep_pandas_out
from verger.texts import LANGUAGES
from verger.texts.command import say, say_all

SECTIONS = {
    "Start": ("demo", "doctor", "run"),
    "Name a fruit": ("identify", "evaluate", "serve", "app"),
    "Look and correct": (
        "report", "rejects", "relabel", "reduce", "log", "checkout", "export", "verify",
    ),
    "Present": ("slides", "notebook"),
    "Set up": ("cloud", "backbones", "prepare"),
}  # fmt: skip


class Help(click.HelpFormatter):
    """Writes help in the language of the command line."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how a command is called."""
        super().write_usage(prog, args, prefix or f"{say('Usage:')} ")

    def write_heading(self, heading: str) -> None:
        """Write the name of a section."""
        super().write_heading(f"{say(heading)}{say(': ').removesuffix(': ')}")

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        super().write_text(say_all(text))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write options or commands, and what each is for."""
        super().write_dl([(name, _what_for(text)) for name, text in rows], col_max, col_spacing)


def _what_for(text: str) -> str:
    """Translate what an option is for, and what click adds: `  [default: 5; x>=1; required]`."""
    text, bracket, added = text.rpartition("  [")
    if not bracket:
        return say(added)
    return f"{say(text)}  [{'; '.join(map(say, added.removesuffix(']').split('; ')))}]"


class Context(click.Context):
    """What a command is called with."""

    formatter_class = Help

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """Carry out a command, or what a group does before its own."""
        if not isinstance(self.command, click.Group):
            keep_pandas_out()
        return super().invoke(*args, **kwargs)


click.Command.context_class = Context


class Commands(click.Group):
    """A group whose help lists its commands."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write a list of the commands, each with what it is for."""
        with formatter.section("Commands"):
            self._list(sorted(self.commands), formatter)

    def _list(self, names: Sequence[str], formatter: click.HelpFormatter) -> None:
        widest = max(map(len, self.commands))
        formatter.write_dl([(name.ljust(widest), _in_short(self.commands[name])) for name in names])


class Sections(Commands):
    """A group whose help lists its commands by section."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write a list for each section; a command without one is a mistake of ours."""
        for section, names in SECTIONS.items():
            with formatter.section(section):
                self._list(names, formatter)


def _in_short(command: click.Command) -> str:
    """Return the first sentence of a command's help, which is its first paragraph."""
    first = say_all((command.help or "").partition("\n\n")[0])
    return click.Command(None, help=first).get_short_help_str(len(first) + 1)


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
    help="Show all options, rarely needed ones too.",
)

messages_language: Callable[[Any], Any] = click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    expose_value=False,  # `main` has read it, for what is said of the options themselves
    help="Language of help and messages. [default: that of LC_ALL, LC_MESSAGES or LANG]",
)
