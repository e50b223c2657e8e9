"""Labels: what turns a photo's path into its label, as `--label-from` asks for."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

from verger.errors import UsageError
from verger.photos.address import WEB, Address, without_query
from verger.photos.cells import unquoted
from verger.photos.references import escaped
from verger.texts.command import say

_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")  # blanks of no width
_SHOWN = 5  # rows of a file that are named, of many that are wrong


def normalised(label: str | None) -> str | None:
    """Write labels that look the same in one way; None for an empty one.

    Accents are composed (NFC), blanks of any kind are one plain blank between words.
    """
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", label or "")).split()) or None


class Labeller:
    """What gives a photo its label, by its path."""

    def __init__(self, of: Callable[[str], str | None]) -> None:
        self._of = of

    def __call__(self, path: str) -> str | None:
        """Return the label of a photo; None if it has none."""
        return normalised(self._of(path))

    def given(self, path: str, label: str) -> str | None:  # noqa: ARG002
        """Return the label of a photo for which the list that names it gives one, or an empty one.

        A source of labels that was asked for comes before the list.
        """
        return self(path)

    def notes(self) -> list[str]:
        """Say what a user should know of the labels, once all are given."""
        return []

    def check(self) -> None:
        """Raise `UsageError` where, once all are given, the labels cannot be what is meant."""


def labeller_from(spec: str, top: str) -> Labeller:
    """Build the function path → label that `--label-from` asks for.

    `top` is the name of PHOTOS itself, which labels the photos that lie right in it.

    Raises `UsageError` for a regular expression that is none or that has not exactly one group,
    and for a CSV file that cannot be read as `path,label`.
    """
    if spec == "none":
        return Labeller(lambda _path: None)
    if spec == "parent":
        return ParentLabels(escaped(top))
    if spec.startswith("regex:"):
        return _regex_labeller(spec.removeprefix("regex:"))
    return CsvLabels(Path(spec), top)


class ParentLabels(Labeller):
    """Labels from folders: that of a photo, or `top` for those that lie right in PHOTOS."""

    def __init__(self, top: str) -> None:
        super().__init__(self._folder_of)
        self._top = top
        self._overruled = False

    def _folder_of(self, path: str) -> str:
        """Return the name of the folder; of a whole URL, as a person reads it."""
        if Address.of(path).scheme in WEB:
            path = unquote(without_query(path))
        return path.rsplit("/", 2)[-2] if "/" in path else self._top

    def given(self, path: str, label: str) -> str | None:  # noqa: ARG002
        """Take the list's label in place of the folder's; None if it is empty."""
        self._overruled = True
        return normalised(label)

    def notes(self) -> list[str]:
        """Say whether labels are the list's."""
        said = "Labels are those of the list of photos, not of folders."
        return [said] if self._overruled else []


class CsvLabels(Labeller):
    """Labels from a table of text with the columns `path` and `label`.

    Paths are relative to PHOTOS, whose name is `top`; or all absolute, or all begin with `top`; or
    all are names of files alone, which then must be those of one photo each. A photo that the file
    lacks has no label.
    """

    asked_by = "--label-from "  # what a line about the file begins with
    when_empty = "Give 'none' for no labels."

    def __init__(self, file: Path, top: str) -> None:
        super().__init__(self._look_up)
        self._file = file
        self._decisions: dict[str, str] = {}
        self._used: dict[str, str] = {}  # rows that were found, and the photos that they name
        try:
            text, self._is_of_windows = _text(file)
            self._labels = self._read(text)
        except FileNotFoundError:
            hint = "Give 'parent', 'none', 'regex:…' or a CSV file."
            raise self._wrong("no such file.", hint) from None
        except csv.Error as error:
            what = f"cannot be read as CSV ({error})."
            raise self._wrong(what, "A quotation mark may be left open.") from None
        except (OSError, UnicodeError) as error:
            what = f"cannot be read as CSV in UTF-8 ({error})."
            raise self._wrong(what, "Save it as CSV UTF-8.") from None
        if not any(path and self._says(path) for path in self._labels):
            raise self._wrong("no line of it has a path and a label.", self.when_empty)
        self._rows = {_slashes(unquoted(row)): row for row in self._labels}
        self._before = _before(self._rows, top)
        self._are_names = not any("/" in path for path in self._rows)
        self._whole: frozenset[str] = frozenset()  # rows that are no names, but whole paths

    def _read(self, text: str) -> dict[str, str]:
        if not text.strip():
            raise self._wrong("it is empty.", "The columns are path,label.")
        lines = io.StringIO(text, newline="")
        delimiter, has_blanks = _form(lines)
        rows = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=has_blanks)
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
        missing = {"path", "label"} - set(rows.fieldnames)
        if missing:
            what = f"its first line lacks {' and '.join(sorted(missing))}."
            raise self._wrong(what, "The columns are path,label.")
        labels: dict[str, str] = {}
        for row in rows:
            path = (row["path"] or "").removeprefix("./")
            label = unquoted(row["label"] or "").strip()
            if labels.get(path, label) != label:
                raise self._wrong(f"line {rows.line_num} gives {path} a second label.")
            labels[path] = label
            self._decisions[path] = (row.get("decision") or "").strip().lower()
        return labels

    def _says(self, row: str) -> bool:
        """Say whether a row says anything."""
        return normalised(self._labels[row]) is not None

    def _look_up(self, path: str) -> str | None:
        row = self._row_of(path)
        return None if row is None else self._labels[row]

    def _row_of(self, path: str) -> str | None:
        """Return the row that names a photo, by its path as it is written there."""
        for written in self._ways(path):
            row = written if written in self._labels else self._rows.get(written)
            if row is not None:
                if self._used.setdefault(row, path) != path:
                    what = f"{row} names {self._used[row]} and {path}."
                    raise self._wrong(what, "Write their paths, not their names alone.")
                return row
        return None

    def _ways(self, path: str) -> Iterator[str]:
        """Give the ways in which a row may write a photo's path."""
        yield path
        yield path.strip()
        yield from (before + path for before in self._before)
        name = path.rpartition("/")[2]
        if self._are_names and name not in self._whole:
            yield name

    def check(self) -> None:
        """Refuse a file that names none of the photos, or one with two labels."""
        if not any(normalised(self._labels[row]) for row in self._used):
            hint = f"It names {next(iter(self._labels))}; paths are relative to PHOTOS."
            raise self._wrong("it has no label for any photo.", hint)
        self._check_rows()

    def _check_rows(self) -> None:
        for row, other in self._unused():
            labels = {normalised(self._labels[one]) for one in (row, other or row)}
            if len(labels) > 1:
                what = f"{row} and {other} name the same photo, with different labels."
                raise self._wrong(what)

    def notes(self) -> list[str]:
        """Say how the file was read, and how many rows of it were never looked up."""
        said = []
        if self._is_of_windows:
            said.append(f"{self._file} is not in UTF-8; it was read as Windows-1252.")
        if unused := sum(other is None for _, other in self._unused()):
            rows = "1 row" if unused == 1 else f"{unused} rows"
            names = "names" if unused == 1 else "name"
            said.append(f"{rows} of {self._file} {names} no photo that was found.")
        return said

    def _wrong(self, what: str, hint: str = "") -> UsageError:
        return UsageError(f"{self.asked_by}{self._file}{say(': ')}{say(what)}", hint=hint)

    def _unused(self) -> Iterator[tuple[str, str | None]]:
        """Give the rows that no photo took, each with the one that names the same photo, if any."""
        if len(self._used) < len(self._labels):
            used = {_slashes(unquoted(row)): row for row in self._used}
            for row in self._labels:
                if row not in self._used:
                    yield row, used.get(_slashes(unquoted(row)))


class LabelSheet(CsvLabels):
    """What people decided of single photos: the columns `path`, `label` and perhaps `decision`.

    A decision is `label` (or nothing), `leave out` or `fine`; the last two need no label.
    """

    asked_by = ""
    when_empty = "Its columns are path, label and perhaps decision."

    def _says(self, row: str) -> bool:
        return super()._says(row) or bool(self._decisions[row])

    def prefer(self, paths: Iterable[str]) -> None:
        """Have a row that is the whole path of one of these photos name no other photo."""
        if self._are_names:
            self._whole = frozenset(path for path in paths if path in self._rows)

    def decided(self, path: str) -> tuple[str, str | None] | None:
        """Return the decision on a photo, as it is written, and its label; None if it has no row.

        Raises `UsageError` where the row says nothing.
        """
        row = self._row_of(path)
        if row is None:
            return None
        decision, label = self._decisions[row] or "label", normalised(self._labels[row])
        if decision not in ("label", "leave out", "fine"):
            hint = "A decision is label, leave out or fine."
            raise self._wrong(f"{row}: {decision} is not a decision.", hint)
        if decision == "label" and label is None:
            raise self._wrong(f"{row} has no label.", "Give one, or the decision leave out.")
        return decision, label

    def check(self) -> None:
        """Refuse a sheet that names photos that are not there, or one with two labels."""
        unknown = [row for row, other in self._unused() if other is None]
        if unknown:
            shown, rest = ", ".join(unknown[:_SHOWN]), len(unknown) - _SHOWN
            more = f", and {rest} more" if rest > 0 else ""
            raise self._wrong(
                f"STORE has no photo {shown}{more}.",
                "Paths are relative to PHOTOS, as in STORE.",
            )
        self._check_rows()


def _text(file: Path) -> tuple[str, bool]:
    """Read a text in UTF-8, or in UTF-16 where it begins with that mark.

    One that is neither is read as spreadsheets on Windows save it in western Europe (Windows-1252);
    also returned is whether it was. That has no sign for five bytes: UnicodeError.
    """
    data = file.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16"), False
    try:
        return data.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        with suppress(UnicodeDecodeError):
            return data.decode("cp1252"), True
        raise


def _form(lines: io.StringIO) -> tuple[str, bool]:
    """Find what separates columns, by a line `sep=` or by the header, and whether blanks follow."""
    header = lines.readline()
    said = re.fullmatch(r"sep=(.)\s*", header)
    start = lines.tell() if said else 0
    header = lines.readline() if said else header
    lines.seek(start)
    delimiter = said[1] if said else max(",;\t", key=header.count)
    return delimiter, f"{delimiter} " in header


def _slashes(path: str) -> str:
    """Write a path of a table with slashes, without blanks around it, and without `./`."""
    path = path.strip()
    if "\\" in path and "/" not in path:  # as Windows writes it
        path = path.replace("\\", "/")
    return path.removeprefix("./")


def _before(paths: Iterable[str], top: str) -> list[str]:
    """Return what may stand before the photos' own paths in all of `paths`, the longest first."""
    folders = [path.split("/")[:-1] for path in paths]
    first, last = min(folders, default=[]), max(folders, default=[])
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    common = [name for name, _ in same]
    if not common:
        return []
    if common[0] and not common[0].endswith(":"):  # no absolute path, of Windows neither
        return [f"{top}/"] if common[0] == top else []
    return ["/".join(common[:length]) + "/" for length in range(len(common), 0, -1)]


def _regex_labeller(expression: str) -> Labeller:
    try:
        pattern = re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"--label-from regex:{expression}: not a regular expression ({error})."
        ) from None
    if pattern.groups != 1:
        raise UsageError(
            f"--label-from regex:{expression}: {pattern.groups} groups; exactly one is the label.",
            hint="Mark the label with ( ), and other groups with (?: ).",
        )

    def label(path: str) -> str | None:
        found = pattern.search(path)
        return found.group(1) if found else None

    return Labeller(label)
