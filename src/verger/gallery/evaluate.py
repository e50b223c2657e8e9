"""How well a gallery names labelled photos: counts, shares, calibration, what was never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from verger.embed.features import MAX_BYTES, fetch
from verger.errors import PhotosError
from verger.gallery import Answer, Verdict
from verger.gallery.fitting import calibration_error
from verger.gallery.identify import Identifier
from verger.knowledge import group_of
from verger.photos.labels import labeller_from
from verger.photos.reasons import Reject
from verger.photos.references import PhotoRef
from verger.storage.place import Source, list_place, source_of
from verger.storage.prefetch import ahead

_AHEAD = 16
BINS = 15


class Case(NamedTuple):
    """A labelled photo and what was answered."""

    label: str
    answer: Answer


def evaluate(
    identifier: Identifier,
    photos: str | Path,
    label_from: str = "parent",
    threads: int = 2,
    tell: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Identify each labelled photo of a folder; return the measures, JSON-ready.

    Raises `PhotosError` where PHOTOS cannot be listed or holds no labelled photo that can be read,
    `UsageError` for a `label_from` that cannot be right.
    """
    cases: list[Case] = []
    rejects: Counter[str] = Counter()
    unlabelled = 0
    place = source_of(photos)
    for done, (ref, outcome) in enumerate(_answers(identifier, place, label_from, threads), 1):
        if isinstance(outcome, Reject):
            rejects[outcome.reason.value] += 1
        elif ref.label is None:
            unlabelled += 1
        else:
            cases.append(Case(ref.label, outcome))
        if tell:
            tell(done)
    if not cases:
        raise PhotosError(
            f"No labelled photo in {photos} could be read.",
            hint="The label is the photo's folder; --label-from names another source.",
        )
    gallery = identifier.gallery
    measured = measure(cases, gallery.labels, gallery.groups)
    return {
        "photos": len(cases),
        "rejected": sum(rejects.values()),
        "rejected_by_reason": dict(rejects),
        "unlabelled": unlabelled,
        **measured,
    }


def measure(cases: Sequence[Case], labels: Sequence[str], groups: Sequence[str]) -> dict[str, Any]:
    """Measure answers against the truth, given the labels of a gallery and the group of each."""
    group_by_label = dict(zip(labels, groups, strict=True))
    truth = [truth_of(case.label, group_by_label) for case in cases]
    seen = np.array([case.label in group_by_label for case in cases])
    seen_group = np.array([group in set(groups) for group in truth])
    return {
        "labels": _ranks(cases, [case.label for case in cases], seen, "labels"),
        "groups": _ranks(cases, truth, seen_group, "groups"),
        "verdicts": _verdicts(cases, truth, group_by_label),
        "calibration": {"bins": BINS, **_calibration(cases, truth, seen, seen_group)},
        "never_seen": _never_seen(cases, seen, seen_group),
    }


def truth_of(label: str, group_by_label: Mapping[str, str]) -> str:
    """Return the group of a label: as the gallery has it, else as `verger.knowledge` does."""
    return group_by_label.get(label) or str(group_of(label) or label)


def _answers(
    identifier: Identifier, photos: Source, label_from: str, threads: int
) -> Iterator[tuple[PhotoRef, Answer | Reject]]:
    def answer(ref: PhotoRef) -> tuple[PhotoRef, Answer | Reject]:
        try:
            return ref, identifier.identify([fetch(ref, photos.read, MAX_BYTES)])
        except Reject as reject:
            return ref, reject

    refs = list_place(photos, labeller_from(label_from, photos.name))
    with ThreadPoolExecutor(threads) as pool:
        yield from ahead(pool, answer, refs, most=_AHEAD)


def _ranks(
    cases: Sequence[Case],
    truth: Sequence[str],
    counted: npt.NDArray[np.bool_],
    guesses: str,
) -> dict[str, Any]:
    """Top-1 and top-5 of an answer's guesses, over the photos whose true name is in the gallery."""
    ranked = [[guess.name for guess in getattr(case.answer, guesses)] for case in cases]
    top_1 = [true in found[:1] for true, found in zip(truth, ranked, strict=True)]
    top_5 = [true in found for true, found in zip(truth, ranked, strict=True)]
    return {
        "photos": int(counted.sum()),
        "top_1": _share(np.array(top_1)[counted]),
        "top_5": _share(np.array(top_5)[counted]),
    }


def _verdicts(cases: Sequence[Case], truth: Sequence[str], known: dict[str, str]) -> dict[str, Any]:
    """Of each verdict, and of all that name something: how many, how many right, how sure it was.

    A variety is right where it is the label, a group and the guess under "unfamiliar" where it is
    that of the label, two names where one of them is; and "unknown" where the label was never seen.
    """
    told = [outcome(case, group, known) for case, group in zip(cases, truth, strict=True)]
    names = [verdict for verdict in Verdict if verdict.names]
    rows = {"named": names} | {verdict.value: [verdict] for verdict in Verdict}
    out = {}
    for row, verdicts in rows.items():
        mine = np.array([case.answer.verdict in verdicts for case in cases])
        sure = np.array([case.answer.confidence for case in cases])[mine]
        out[row] = {
            "photos": int(mine.sum()),
            "share": _share(mine),
            "right": _share(np.array(told)[mine]),
            "confidence": round(float(sure.mean()), 4) if mine.any() else None,
        }
    return out


def outcome(case: Case, group: str, known: Mapping[str, str]) -> bool:
    """Say whether what a verdict says is right, given the true group and the gallery's labels."""
    answer = case.answer
    match answer.verdict:
        case Verdict.VARIETY:
            return answer.label == case.label
        case Verdict.AMBIGUOUS:
            return group in [guess.name for guess in answer.groups[:2]]
        case Verdict.UNKNOWN:
            return case.label not in known
    return answer.group == group


def _calibration(
    cases: Sequence[Case],
    truth: Sequence[str],
    seen: npt.NDArray[np.bool_],
    seen_group: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    """Calibration error of the first label and of the first group, where they are in the gallery.

    `chance` is what a perfectly calibrated answer would show on so few photos, on average.
    """
    label, group = (
        np.array([first.share if (first := next(iter(guesses), None)) else 0.0 for guesses in each])
        for each in ([c.answer.labels for c in cases], [c.answer.groups for c in cases])
    )
    label_right = np.array([case.answer.label == case.label for case in cases])
    group_right = np.array([c.answer.group == true for c, true in zip(cases, truth, strict=True)])
    return {
        "label_error": _error(label[seen], label_right[seen]),
        "label_error_by_chance": _chance(label[seen]),
        "group_error": _error(group[seen_group], group_right[seen_group]),
        "group_error_by_chance": _chance(group[seen_group]),
    }


def _never_seen(
    cases: Sequence[Case], seen: npt.NDArray[np.bool_], seen_group: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Of labels that the gallery lacks: how often no variety was claimed, and how familiar."""
    variety = np.array([case.answer.verdict is Verdict.VARIETY for case in cases])
    named = np.array([case.answer.verdict.names for case in cases])
    known = np.array([case.answer.known for case in cases])
    nothing = ~seen & ~seen_group
    return {
        "photos": int((~seen).sum()),
        "no_variety_claimed": _share(~variety[~seen]),
        "not_named": _share(~named[~seen]),
        "of_groups_never_seen": {
            "photos": int(nothing.sum()),
            "not_named": _share(~named[nothing]),
            "auroc": auroc(known[seen], known[nothing]),
        },
        "auroc": auroc(known[seen], known[~seen]),
    }


def _share(outcomes: npt.NDArray[np.bool_]) -> float | None:
    return round(float(outcomes.mean()), 4) if len(outcomes) else None


def _error(confidences: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float | None:
    if not len(confidences):
        return None
    return round(calibration_error(confidences, right, BINS), 4)


def _chance(confidences: npt.NDArray[np.float64]) -> float | None:
    if not len(confidences):
        return None
    rng = np.random.default_rng(0)
    draws = [
        calibration_error(confidences, rng.random(len(confidences)) < confidences, BINS)
        for _ in range(100)
    ]
    return round(float(np.mean(draws)), 4)


def auroc(known: npt.NDArray[np.float64], unknown: npt.NDArray[np.float64]) -> float | None:
    """Probability that a known one scores above an unknown one; ties count one half.

    The statistic of H. B. Mann and D. R. Whitney, 1947.
    """
    if not len(known) or not len(unknown):
        return None
    ordered = np.sort(unknown)
    below = np.searchsorted(ordered, known, side="left")
    upto = np.searchsorted(ordered, known, side="right")
    return round(float((below + upto).mean() / 2 / len(unknown)), 4)
