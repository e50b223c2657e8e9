"""`python -m benchmarks.verdicts STORE`: what names are worth that are given to photos held out.

The photos of each label are cut into occasions of look-alikes, and whole occasions are held out, a
quarter of them in each of four rounds; besides, in each round a tenth of the labels is held out
altogether, so that one photo in ten shows what the gallery lacks. The others become a gallery, as
a run makes it, with a validation of its own. Whatever is chosen, is chosen by that validation: the
photos held out here are only asked about.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.validations import build, labelled
from verger.gallery import Gallery, Verdict
from verger.gallery.evaluate import Case, outcome, truth_of
from verger.gallery.fitting import calibration_error
from verger.gallery.validation import FOLDS, folds_of
from verger.projections.moments import root_unit
from verger.store.blocks import matrix

_HELD_OUT = 10  # every so many labels, one


def main() -> None:
    """Hold out, build, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument("store", type=Path)
    store = parser.parse_args().store
    rows = labelled(store)
    asked = [one for round_ in range(FOLDS) for one in _round(rows, round_)]
    _print_verdicts(asked)
    _print_calibration(asked)


class _Asked:
    """A photo that was asked about: the truth, the answer, whether label and group were there."""

    def __init__(self, case: Case, labels: tuple[str, ...], groups: tuple[str, ...]) -> None:
        of_label = dict(zip(labels, groups, strict=True))
        self.answer, self.group = case.answer, truth_of(case.label, of_label)
        self.seen, self.seen_group = case.label in of_label, self.group in groups
        self.right = outcome(case, self.group, of_label)
        self.label_right = case.answer.label == case.label
        self.group_right = case.answer.group == self.group


def _round(rows: pa.Table, number: int) -> list[_Asked]:
    labels = rows["label"].to_pylist()
    names, ids = np.unique(labels, return_inverse=True)
    fold = folds_of(root_unit(matrix(rows["features"])).astype(np.float32), ids, len(names))
    gone = ids % _HELD_OUT == number
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as folder:
        shown = np.flatnonzero((fold != number) & ~gone)
        build(rows.take(shown), Path(folder))
        gallery = Gallery.open(folder)
        features = matrix(rows["features"])
        return [
            _Asked(
                Case(labels[at], gallery.identify(features[at : at + 1])),
                gallery.labels,
                gallery.groups,
            )
            for at in np.flatnonzero(fold == number)
        ]


def _print_verdicts(asked: list[_Asked]) -> None:
    never = 1 - np.mean([one.seen for one in asked])
    print(f"{len(asked):,} photos, {never:.1%} of them of labels never seen.\n")
    print("| verdict | share | right | said, on average |\n|---|---|---|---|")
    rows = {"a name": [one for one in asked if one.answer.verdict.names]}
    rows |= {v.value: [one for one in asked if one.answer.verdict is v] for v in Verdict}
    for name, mine in rows.items():
        if mine:
            right = np.mean([one.right for one in mine])
            said = np.mean([one.answer.confidence for one in mine])
            print(f"| {name} | {len(mine) / len(asked):.1%} | {right:.1%} | {said:.1%} |")


def _print_calibration(asked: list[_Asked]) -> None:
    print("\n| calibration error, 15 bins | of what it says | of what is here, given it is |")
    print("|---|---|---|")
    for name, seen in (("label", "seen"), ("group", "seen_group")):
        first = [getattr(one.answer, f"{name}s")[0] for one in asked]
        right = np.array([getattr(one, f"{name}_right") for one in asked])
        there = np.array([getattr(one, seen) for one in asked])
        said = _error([guess.confidence for guess in first], right)
        given = _error(np.array([guess.share for guess in first])[there], right[there])
        print(f"| by {name} | {said:.3f} | {given:.3f} |")


def _error(confidences: npt.ArrayLike, right: npt.NDArray[np.bool_]) -> float:
    return calibration_error(np.asarray(confidences), right)


if __name__ == "__main__":
    main()
