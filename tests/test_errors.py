"""One tree of errors: as its docstring draws it, each with an exit code of its own."""

from __future__ import annotations

import inspect
import re

from click.testing import CliRunner

from verger import errors
from verger.cli.main import cli
from verger.errors import CountError, VergerError


def every() -> list[type[VergerError]]:
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    return [c for c in classes if issubclass(c, VergerError)]


def test_the_tree_is_the_one_that_the_docstring_draws() -> None:
    drawn = re.findall(r"^\s+[├└─ ]*(\w+)\s+(\d+)\s{2,}\S", errors.__doc__ or "", re.MULTILINE)
    assert {(c.__name__, c.exit_code) for c in every()} == {(n, int(code)) for n, code in drawn}
    assert all(c.__bases__ == (VergerError,) for c in every() if c is not VergerError)


def test_exit_codes_are_unique_and_none_is_success_or_a_signal() -> None:
    codes = [c.exit_code for c in every()]
    assert len(set(codes)) == len(codes)
    assert all(0 < code < 126 for code in codes)


def test_the_help_names_the_exit_codes() -> None:
    helps = [CliRunner().invoke(cli, [command, "--help"]).output for command in ("run", "cloud")]
    text = " ".join(" ".join(helps).split())
    for error in every():
        if error is not VergerError:
            assert re.search(rf"\b{error.exit_code} [a-zA-Z]", text), error


def test_a_message_is_one_line_with_its_hint() -> None:
    error = VergerError("what\n  went \t wrong.", hint="Do\nthis.")
    assert str(error) == "what went wrong. Do this."
    assert (error.what, error.hint) == ("what went wrong.", "Do this.")
    assert str(VergerError("alone.")) == "alone."


def test_counts_that_do_not_add_up_are_all_said() -> None:
    error = CountError.of(10, 5, 3)
    assert "10 listed" in str(error)
    assert "5 embedded + 3 rejected = 8" in str(error)


def test_rows_that_do_not_add_up_are_not_called_photos_listed() -> None:
    error = CountError.of_rows(10, "photos embedded", 9, "features")
    assert error.what == "The counts do not add up: 10 photos embedded, rows of features: 9."
