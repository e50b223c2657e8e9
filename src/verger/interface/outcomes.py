"""What the Python interface returns, and how a notebook shows it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verger.errors import StoreError, visible
from verger.gallery import Answer, Verdict
from verger.gallery.identify import Identifier, bytes_of
from verger.photos.decode import decode
from verger.photos.reasons import Reject
from verger.store.summary import summary
from verger.texts.numbers import plural

if TYPE_CHECKING:
    from verger.interface.opened import Store

Photo = str | Path | bytes  # a file, or the bytes of one

_SHOWN = 12  # pictures of a run
_LEAST = 0.005  # of a confidence that is shown
_ROW = "display:flex;flex-wrap:wrap;gap:8px;margin:8px 0"
_FIGURE = "margin:0;width:96px;font-size:12px;overflow-wrap:anywhere;line-height:1.25"
_PICTURE = "width:96px;height:96px;object-fit:contain;display:block;border-radius:6px"
_CLAIM = "font-size:18px;font-weight:600"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `run` or `reduce` did.

    store:   the STORE, open
    record:  what `run.json` holds
    report:  the path of the report, if one was made
    warning: why the report failed, if it did; one line
    """

    store: Store
    record: dict[str, Any]
    report: str | None = None
    warning: str = ""

    def __str__(self) -> str:
        return summary(self.record, self.store.root, has_report=self.report is not None).strip()

    def _repr_html_(self) -> str:
        counts, projection = self.record["counts"], self.record["projection"]
        embedded, rejected, labels = counts["embedded"], counts["rejected"], self.record["labels"]
        k = projection["k"]
        facts = [
            f"{embedded:,} photo{plural(embedded)} of {labels:,} label{plural(labels)}",
            f"{k} component{plural(k)} {plural(k, 'keeps', 'keep')} "
            f"{projection['explained_variance']:.1%} of the variance",
            f"{rejected:,} reject{plural(rejected)}",
        ]
        if self.report:
            facts.append(f"<a href='{escape(self.report, quote=True)}'>report</a>")
        return f"<div><div>{' · '.join(facts)}</div>{_row(self.store._samples(_SHOWN))}</div>"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would find, in photos.

    `listed` is `new` + `changed` + `retried` + `kept`; the first three would be embedded. Of those
    kept, `relabelled` would get a new label; `gone` would be dropped.
    """

    listed: int
    new: int
    changed: int
    retried: int
    kept: int
    relabelled: int
    gone: int


@dataclass(frozen=True, slots=True)
class Identification:
    """What one fruit is.

    photos:  the photos that were looked at; bytes are named by their position: `photo 1`
    rejects: those that cannot be used, each with its reason
    answer:  verdict, confidence, ranked labels and species, nearest photos; None if no photo can
             be used
    """

    photos: tuple[str, ...]
    rejects: tuple[tuple[str, Reject], ...]
    answer: Answer | None
    _identifier: Identifier = field(repr=False, compare=False)
    _sources: tuple[Photo, ...] = field(repr=False, compare=False)

    def __str__(self) -> str:
        """Say what it is in words, or why nothing can be said."""
        if self.answer:
            return visible(str(self.answer))
        return "; ".join(visible(f"{path}: {reject}") for path, reject in self.rejects)

    def _repr_html_(self) -> str:
        parts = [f"<div style='{_CLAIM}'>{escape(str(self))}</div>"]
        if self.answer:
            if self.answer.verdict is not Verdict.UNKNOWN:
                parts.append(f"<div>{_guesses(self.answer)}</div>")
            parts.append(_row([*self._own(), *self._neighbours(self.answer)]))
        rejects = [escape(visible(f"{path}: {reject}")) for path, reject in self.rejects]
        if self.answer and rejects:
            parts.append(f"<div>{'<br>'.join(rejects)}</div>")
        return f"<div>{''.join(parts)}</div>"

    def _own(self) -> Iterator[tuple[bytes, str]]:
        """Give the photos that were asked about, made small."""
        most = self._identifier.max_pixels
        for source in self._sources:
            try:
                yield decode(bytes_of(source), max_pixels=most).thumbnail, "this photo"
            except Reject:
                continue

    def _neighbours(self, answer: Answer) -> Iterator[tuple[bytes, str]]:
        for near in answer.neighbours:
            try:
                jpeg = self._identifier.gallery.thumbnail(near.photo)
            except (OSError, StoreError):  # a later run has replaced its file
                continue
            yield jpeg, f"{near.label or near.path} ({near.similarity:.2f})"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well labelled photos were named; shares from 0 to 1.

    labels, groups: number of `photos` whose label or species STORE has, and the share of them
                    named correctly: first (`top_1`), or among the first five (`top_5`)
    verdicts:       for each verdict, how many `photos`, their `share`, how many `right`, how sure
    calibration:    expected calibration error by label and by group, and by chance alone
    never_seen:     the answers for labels that STORE does not have
    """

    photos: int
    rejected: int
    rejected_by_reason: Mapping[str, int]
    unlabelled: int
    labels: Mapping[str, Any]
    groups: Mapping[str, Any]
    verdicts: Mapping[str, Any]
    calibration: Mapping[str, Any]
    never_seen: Mapping[str, Any]


def _guesses(answer: Answer) -> str:
    worth_saying = (one for one in answer.labels[:3] if one.confidence >= _LEAST)
    return " · ".join(f"{escape(visible(one.name))} {one.confidence:.0%}" for one in worth_saying)


def _row(pictures: Iterable[tuple[bytes, str]]) -> str:
    """Lay JPEGs side by side, each above its text."""
    figures = [
        f"<figure style='{_FIGURE}'><img alt='' style='{_PICTURE}' "
        f"src='data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}'>"
        f"<figcaption>{escape(visible(text))}</figcaption></figure>"
        for jpeg, text in pictures
    ]
    return f"<div style='{_ROW}'>{''.join(figures)}</div>"
