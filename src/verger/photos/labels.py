"""Labels: what turns a photo's path into its label, as `--label-from` asks for."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from verger.errors import UsageError
from verger.photos.references import escaped


class Labeller:
    """What gives a photo its label, by its path."""

    def __init__(self, of: Callable[[str], str | None]) -> None:
        self._of = of

    def __call__(self, path: str) -> str | None:
        """Return the label of a photo; None if it has none."""
        return self._of(path)

    def given(self, path: str, label: str) -> str | None:  # noqa: ARG002
        """Return the label of a photo for which the list that names it gives one, or an empty one.

        A source of labels that was asked for comes before the list.
        """
        return self(path)

    def notes(self) -> list[str]:
        """Say what a user should know of the labels, once all are given."""
        return []


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
    return CsvLabels(Path(spec))


class ParentLabels(Labeller):
    """Labels from folders: that of a photo, or `top` for those that lie right in PHOTOS."""

    def __init__(self, top: str) -> None:
        self._top = top
        self._overruled = False

    def __call__(self, path: str) -> str | None:
        """Return the name of the folder; of a whole URL, as a person reads it."""
        if "://" in path:
            path = unquote(path.partition("?")[0])
        return path.rsplit("/", 2)[-2] if "/" in path else self._top

    def given(self, path: str, label: str) -> str | None:  # noqa: ARG002
        """Take the list's label in place of the folder's; None if it is empty."""
        self._overruled = True
        return label or None

    def notes(self) -> list[str]:
        """Say whether labels are the list's."""
        said = "Labels are those of the list of photos, not of folders."
        return [said] if self._overruled else []


class CsvLabels(Labeller):
    """Labels from a CSV file with the columns `path` (relative to PHOTOS) and `label`.

    Calling it looks a path up; a path that the file lacks has no label.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._labels: dict[str, str] = {}
        self._used: set[str] = set()
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                self._read(csv.DictReader(lines), file)
        except FileNotFoundError:
            raise UsageError(
                f"--label-from {file}: no such file.",
                hint="Give 'parent', 'none', 'regex:…' or a CSV file.",
            ) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(
                f"--label-from {file}: cannot be read as CSV in UTF-8 ({error})."
            ) from None

    def _read(self, rows: csv.DictReader[str], file: Path) -> None:
        missing = {"path", "label"} - set(rows.fieldnames or ())
        if missing:
            raise UsageError(
                f"--label-from {file}: its first line lacks {' and '.join(sorted(missing))}.",
                hint="The columns are path,label.",
            )
        for row in rows:
            path = (row["path"] or "").removeprefix("./")
            label = row["label"] or ""
            if self._labels.get(path, label) != label:
                raise UsageError(
                    f"--label-from {file}: line {rows.line_num} gives {path} a second label."
                )
            self._labels[path] = label

    def __call__(self, path: str) -> str | None:
        """Return the label of a path, or None where the file has none."""
        if path in self._labels:
            self._used.add(path)
        return self._labels.get(path) or None

    def notes(self) -> list[str]:
        """Say how many rows of the file were never looked up."""
        unused = len(self._labels) - len(self._used)
        return [f"{unused} rows of {self._file} name no photo that was found."] if unused else []


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
