"""One tree of errors. Each message says what happened, where, and how to fix it.

    VergerError            1   anything else that went wrong
    ├── UsageError         2   an option that cannot be right, whatever the photos are
    ├── PhotosError        3   PHOTOS cannot be read, or holds no photo
    ├── StoreError         4   STORE cannot be used, read or written
    ├── BackboneError      5   a file that is not an ONNX network, or one that takes no images
    ├── EngineError        6   Java or Spark does not start, or a job fails
    ├── CountError         7   listed photos ≠ embedded + rejected ≠ rows: a defect, no log line
    ├── TooManyRejects     8   more rejects than --max-rejects allows (written all the same)
    ├── CloudError         9   AWS refuses, or what runs there fails
    ├── BudgetError       10   the plan costs more than --budget allows: nothing is started
    ├── SignInError       11   nobody is signed in to AWS, or the sign-in has expired
    ├── NetworkError      12   AWS cannot be reached
    └── RegionError       13   a bucket or a run is outside the EU, or they are in different regions

The number is the exit code of the command line. Ctrl-C and SIGTERM end with 130 and 143.

What a message quotes (names of files, labels, answers of a server) is anybody's: it is `visible`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike


def visible(text: str) -> str:
    """Write what a terminal would obey, or hide, as escapes: control and bidi characters, newlines.

    A name may hold anything; on a terminal it shall do nothing, and take one line.
    """
    return "".join(c if _is_plain(c) else ascii(c)[1:-1] for c in text)


def _is_plain(character: str) -> bool:
    """Say whether it only shows itself; blanks of any width do, and what joins letters."""
    if character.isprintable() or character in "\u200c\u200d":
        return True
    return unicodedata.category(character) == "Zs"


class VergerError(Exception):
    """Base of every error that a user can fix; its message is one line."""

    exit_code = 1

    def __init__(self, what: str, *, hint: str = "") -> None:
        self.what = visible(" ".join(what.split()))
        self.hint = visible(" ".join(hint.split()))
        stop = "." if self.hint and not self.what.endswith((".", "!", "?")) else ""
        super().__init__(f"{self.what}{stop} {self.hint}".strip())


class UsageError(VergerError):
    """An option that cannot be right, whatever the photos are."""

    exit_code = 2


class PhotosError(VergerError):
    """PHOTOS cannot be read, or holds no photo."""

    exit_code = 3


class StoreError(VergerError):
    """STORE cannot be used, read or written."""

    exit_code = 4


class BackboneError(VergerError):
    """A file that is not an ONNX network, or one that takes no images."""

    exit_code = 5


class EngineError(VergerError):
    """Java or Spark does not start, or a job fails."""

    exit_code = 6


_DEFECT = "Nothing was published. Run again; if it comes back, report it with --verbose."


class CountError(VergerError):
    """Listed photos are not those embedded plus those rejected, or rows do not match photos."""

    exit_code = 7

    @classmethod
    def of(cls, listed: int, embedded: int, rejected: int) -> CountError:
        """Build the error from the three counts that do not add up."""
        return cls(
            f"The counts do not add up: {listed} listed, "
            f"{embedded} embedded + {rejected} rejected = {embedded + rejected}.",
            hint=_DEFECT,
        )

    @classmethod
    def of_rows(cls, wanted: int, what: str, found: int, where: str) -> CountError:
        """Build the error from two counts that ought to be one: of what, and of rows of what."""
        return cls(
            f"The counts do not add up: {wanted} {what}, rows of {where}: {found}.", hint=_DEFECT
        )


class TooManyRejects(VergerError):
    """More rejects than --max-rejects allows."""

    exit_code = 8


class CloudError(VergerError):
    """AWS refuses, or what runs there fails."""

    exit_code = 9


class BudgetError(VergerError):
    """The plan costs more than --budget allows: nothing is started."""

    exit_code = 10


class SignInError(VergerError):
    """Nobody is signed in to AWS, or the sign-in has expired."""

    exit_code = 11


class NetworkError(VergerError):
    """AWS cannot be reached."""

    exit_code = 12


class RegionError(VergerError):
    """A bucket or a run is outside the EU, or they are in different regions."""

    exit_code = 13


@contextmanager
def named(file: str | PathLike[str]) -> Iterator[None]:
    """Name the file in an OSError that does not say which: neither Arrow does, nor an open file."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(file)
        raise


OK, WARN, FAIL = "OK", "WARN", "FAIL"


@dataclass(frozen=True, slots=True)
class Check:
    """What was checked, its state, what was found, and what to do if something is wrong."""

    name: str
    state: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{self.state:<4} {self.name:<9} {self.found}{remedy}"
