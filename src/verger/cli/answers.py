"""How the outcomes of `identify` and `evaluate` are told: a table for a person, plain lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from verger.errors import visible
from verger.gallery import Answer, Verdict
from verger.gallery.identify import Identified
from verger.texts.command import localized as _local
from verger.texts.command import say, spoken
from verger.texts.numbers import plural

if TYPE_CHECKING:
    from rich.table import Table

    from verger.verify import Verified

_COLUMNS = ("photo", "verdict", "answer", "confidence", "then", "nearest photo")
_READ = ("photo", "answer", "confidence", "then")  # on a terminal
_LEAST = 0.01  # of a candidate, to be worth a line there


def identified_json(fruits: Sequence[Identified]) -> list[dict[str, Any]]:
    """Return what `verger identify --json` prints."""
    return [
        {
            "photos": list(fruit.photos),
            "rejects": [
                {"path": path, "reason": reject.reason.value, "detail": reject.detail}
                for path, reject in fruit.rejects
            ],
            "answer": fruit.answer and fruit.answer.as_json(),
        }
        for fruit in fruits
    ]


def identified_lines(fruits: Sequence[Identified]) -> list[str]:
    """Write one line a photo, with tabs between the columns, and a first line that names them."""
    return ["\t".join(row) for row in (_COLUMNS, *_rows(fruits))]


def identified_table(fruits: Sequence[Identified]) -> Table:
    """Lay what a person reads of it out for a terminal, as narrow as 80 columns.

    The answer says the verdict, and photos go by the end of their paths, as far as these differ.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in _READ:
        table.add_column(say(column), overflow="fold")
    rejected = [path for fruit in fruits for path, _ in fruit.rejects]
    shared = _shared_by([*rejected, *(path for fruit in fruits for path in fruit.photos)])
    for fruit in fruits:
        for path, reject in fruit.rejects:
            why = f"{say('rejected')}{say(': ')}{say(reject.reason.meaning)}"
            table.add_row(*map(Text, (visible(path[shared:]), why)))
        if (answer := fruit.answer) is not None:
            photos = " + ".join(visible(path[shared:]) for path in fruit.photos)
            sure, then = _confidence(answer, _local), _then(answer, _local, _LEAST)
            claim = visible(answer.said(spoken()))
            table.add_row(*map(Text, (photos, claim, sure, then)))
    return table


def _shared_by(paths: Sequence[str]) -> int:
    """Return how many characters the folders take that all paths begin with."""
    folders = zip(*(path.split("/")[:-1] for path in paths), strict=False)
    shared = takewhile(lambda names: len(set(names)) == 1, folders)
    return sum(len(names[0]) + 1 for names in shared)


def evaluation_lines(measured: Mapping[str, Any]) -> list[str]:
    """Write the measures of `verger evaluate` as lines."""
    labels, groups, never = measured["labels"], measured["groups"], measured["never_seen"]
    rejected = ", ".join(f"{n} {reason}" for reason, n in measured["rejected_by_reason"].items())
    reasons = f" ({rejected})" if rejected else ""
    photos = measured["photos"]
    lines = [
        f"{photos:,} labelled photo{plural(photos)}; {measured['rejected']:d} rejected{reasons}; "
        f"{measured['unlabelled']:d} without a label.",
        "",
        f"{'':<28}{say('photos'):>8}{'top 1':>9}{'top 5':>9}",
        _measure(say("by label"), labels, "top_1", "top_5"),
        _measure(say("by species or group"), groups, "top_1", "top_5"),
        "Only photos whose label, or whose species or group, STORE has.",
        "",
        f"{say('verdict'):<28}{say('photos'):>8}{say('share'):>9}{say('right'):>9}{say('said'):>9}",
    ]
    error = measured["calibration"]
    lines += [
        *(
            _measure(_row_of(name), one, "share", "right", "confidence")
            for name, one in measured["verdicts"].items()
        ),
        f"Share: of all {photos:,} photo{plural(photos)}. Right, and said (the mean confidence): "
        "of the photos of the row.",
        "",
        f"Calibration error on these photos, {error['bins']} bins: by label "
        f"{_number(error['label_error'])} (chance alone: "
        f"{_number(error['label_error_by_chance'])}), by group {_number(error['group_error'])} "
        f"(chance: {_number(error['group_error_by_chance'])}).",
    ]
    if never["photos"]:
        nothing = never["of_groups_never_seen"]
        lines.append(
            f"Of {never['photos']:,} photo{plural(never['photos'])} of labels never seen, no "
            "variety was claimed in "
            f"{_percent(never['no_variety_claimed']).strip()}; AUROC {_number(never['auroc'])}."
        )
        if nothing["photos"]:
            lines.append(
                f"Of the {nothing['photos']:,} whose species or group was never seen either, "
                f"{_percent(nothing['not_named']).strip()} got no name; "
                f"AUROC {_number(nothing['auroc'])}."
            )
    return lines


def _rows(fruits: Sequence[Identified]) -> Iterator[tuple[str, ...]]:
    for fruit in fruits:
        for path, reject in fruit.rejects:
            why = f"{reject.reason.value}: {visible(reject.detail)}"
            yield visible(path), "rejected", why, "", "", ""
        if (answer := fruit.answer) is not None:
            nearest = answer.neighbours[0] if answer.neighbours else None
            yield (
                " + ".join(visible(photo) for photo in fruit.photos),
                answer.verdict.value,
                visible(str(answer)),
                _confidence(answer, str),
                _then(answer, str),
                f"{visible(nearest.path)} ({nearest.similarity:.2f})" if nearest else "",
            )


def _confidence(answer: Answer, number: Callable[[str], str]) -> str:
    return number(f"{answer.confidence:.0%}") if answer.confidence else ""


def _then(answer: Answer, number: Callable[[str], str], least: float = 0) -> str:
    """Name what else it may be."""
    is_variety = answer.verdict is Verdict.VARIETY
    return ", ".join(
        f"{visible(guess.name)} {number(f'{guess.confidence:.0%}')}"
        for guess in answer.labels[int(is_variety) :][:3]
        if guess.confidence >= least
    )


def _row_of(verdict: str) -> str:
    """Name the row of a verdict: those that claim a name stand under their sum."""
    if verdict == "named":
        return say("named, of which")
    return "  " * Verdict(verdict).names + say(verdict)


def _measure(name: str, measured: Mapping[str, Any], *shares: str) -> str:
    shown = "".join(_percent(measured[share]) for share in shares)
    photos = _local(f"{measured['photos']:,}")
    return f"{name:<28}{photos:>8}{shown}"


def _percent(share: float | None) -> str:
    return f"{'–' if share is None else _local(f'{share:.1%}'):>9}"


def _number(value: float | None) -> str:
    return "–" if value is None else _local(f"{value:.3f}")


def verified_lines(made: Verified, store: str) -> list[str]:
    """Write a line a finding, and at last what was looked at."""
    lines = [
        visible(f"{store}/{where} {say(what)}. {say(remedy)}")
        for where, what, remedy in made.findings
    ]
    lines += [say(f"Note: {note}") for note in made.notes]
    looked = say(f"{made.files:,} file{plural(made.files)} ({made.bytes / 1e6:,.1f} MB)")
    if made.photos:
        looked += say(f", {made.photos:,} photo{plural(made.photos)}")
    if made.embedded_again:
        looked += say(f", {made.embedded_again:,} of them embedded again")
    if not made.photos:
        looked += say("; the matrix could not be compared with the features")
    many = len(made.findings)
    found = say(f"{many:d} finding{plural(many)}" if many else "Sound")
    return [*lines, f"{found}{say(': ')}{looked}."]
