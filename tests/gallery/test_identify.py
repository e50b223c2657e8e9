"""`verger identify` and `verger evaluate` on rendered photos, through the real network. No Spark.

A STORE is made by the same functions that a run calls, one after another.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galleries import write_store
from verger.cli.answers import evaluation_lines
from verger.demo.render import render_orchard
from verger.embed import open_backbone
from verger.gallery import Answer, Gallery, Guess, Verdict
from verger.gallery.evaluate import Case, measure
from verger.gallery.identify import Identifier
from verger.photos.decode import decode
from verger.photos.reasons import Reason, Reject
from verger.settings import RunSettings
from verger.store.layout import RECORD
from verger.store.reader import RECORD_FORMAT
from verger.store.record import backbone_record
from verger.texts.command import say, speak


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a folder of photos (Training and Test), and a STORE made from Training."""
    folder = tmp_path_factory.mktemp("orchard")
    render_orchard(folder / "photos", varieties=6, views=18, test_views=3)
    backbone = open_backbone("efficientnet-lite0")
    network, files = backbone.network(), sorted((folder / "photos" / "Training").rglob("*.jpg"))
    photos = [decode(file.read_bytes(), backbone.card.input.framing) for file in files]
    rows = np.concatenate(
        [network(np.stack([p.pixels for p in photos[i : i + 8]])) for i in range(0, len(photos), 8)]
    )
    labels: list[str | None] = [file.parent.name for file in files]
    store = write_store(
        folder / "store", labels, rows, paths=[f"{f.parent.name}/{f.name}" for f in files]
    )
    record = {
        "format": RECORD_FORMAT,
        "settings": RunSettings(backbone=backbone.card.name).as_record(),
        "backbone": backbone_record(backbone),
    }
    (store / RECORD).write_text(json.dumps(record))
    return folder / "photos", store


def verger(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verger", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def views_of(photos: Path) -> list[Path]:
    return sorted((photos / "Test").rglob("*.jpg"))


@pytest.mark.slow
def test_new_views_are_named(made: tuple[Path, Path]) -> None:
    photos, store = made
    identifier = Identifier.open(store)
    answers = [(f.parent.name, identifier.identify([f.read_bytes()])) for f in views_of(photos)]
    assert np.mean([answer.label == label for label, answer in answers]) > 0.9


@pytest.mark.slow
def test_a_photo_that_is_alone_gets_the_same_answer_from_more_threads(
    made: tuple[Path, Path],
) -> None:
    photos, store = made
    identifier = Identifier.open(store, threads=2)
    for file in views_of(photos)[:3]:
        photo = [file.read_bytes()]
        assert identifier.identify(photo, alone=True) == identifier.identify(photo)


@pytest.mark.slow
def test_a_photo_of_the_run_finds_itself(made: tuple[Path, Path]) -> None:
    photos, store = made
    identifier = Identifier.open(store)
    for file in sorted((photos / "Training").rglob("*.jpg"))[::23]:
        nearest = identifier.identify([file.read_bytes()]).neighbours[0]
        assert nearest.path == f"{file.parent.name}/{file.name}"
        assert nearest.similarity > 0.999


@pytest.mark.slow
def test_a_bad_photo_is_a_reject(made: tuple[Path, Path]) -> None:
    identifier = Identifier.open(made[1])
    with pytest.raises(Reject, match="not_an_image"):
        identifier.features(b"no photo at all")


@pytest.mark.slow
def test_a_huge_photo_is_a_reject(made: tuple[Path, Path], tmp_path: Path) -> None:
    huge = tmp_path / "huge.tif"
    with huge.open("wb") as file:
        file.truncate(12 * 10**9)  # sparse: it takes no place on the disk
    _, store = made
    answer = Identifier.open(store).identify_files([huge])
    assert [reject.reason for _, reject in answer.rejects] == [Reason.TOO_LARGE]


@pytest.mark.slow
def test_the_table_has_a_line_for_each_photo(made: tuple[Path, Path], tmp_path: Path) -> None:
    photos, store = made
    odd = tmp_path / "an\x1b[31m odd\tname.jpg"
    odd.write_bytes(b"GIF89a")
    one, two = views_of(photos)[:2]
    done = verger("identify", store, one, odd, two, tmp_path / "missing.jpg")
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.split("\t")[:3] == ["photo", "verdict", "answer"]
    assert [len(line.split("\t")) for line in lines] == [6] * 4
    assert [line.split("\t")[1] == "rejected" for line in lines] == [False, True, False, True]
    assert "\x1b" not in done.stdout
    assert "\\x1b[31m odd\\tname.jpg" in lines[1]
    assert "unreadable: No such file or directory" in lines[3]


@pytest.mark.slow
def test_json_and_together(made: tuple[Path, Path]) -> None:
    photos, store = made
    same = [file for file in views_of(photos) if file.parent == views_of(photos)[0].parent]
    done = verger("identify", store, *same, photos / "nothing.jpg", "--together", "--json")
    assert done.returncode == 0, done.stderr
    (fruit,) = json.loads(done.stdout)
    assert fruit["photos"] == [str(file) for file in same]
    assert fruit["answer"]["photos"] == len(same)
    assert fruit["answer"]["labels"][0]["label"] == same[0].parent.name
    assert [reject["reason"] for reject in fruit["rejects"]] == ["unreadable"]


@pytest.mark.slow
def test_no_readable_photo_is_exit_code_3(made: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    done = verger("identify", made[1], tmp_path / "empty.jpg")
    assert done.returncode == 3
    assert "empty: zero bytes" in done.stdout
    assert done.stderr == "verger: None of the photos could be read.\n"


@pytest.mark.slow
def test_evaluate_measures_a_folder(made: tuple[Path, Path], tmp_path: Path) -> None:
    photos, store = made
    done = verger("evaluate", store, photos / "Test", "--json")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["photos"] == len(views_of(photos))
    assert measured["labels"]["photos"] == measured["photos"]
    assert measured["labels"]["top_1"] > 0.9
    assert measured["groups"]["top_1"] >= measured["labels"]["top_1"]
    verdicts = measured["verdicts"]
    assert sum(verdicts[verdict]["photos"] for verdict in Verdict) == 18
    told = verger("evaluate", store, photos / "Test", "--quiet")
    assert told.stdout.startswith("18 labelled photos; 0 rejected")
    assert told.stderr == ""


@pytest.mark.slow
def test_a_folder_without_photos_is_one_line(made: tuple[Path, Path], tmp_path: Path) -> None:
    for folder, line in ((tmp_path, "No labelled photo in"), (tmp_path / "no", "No such folder")):
        done = verger("evaluate", made[1], folder, "--quiet")
        assert done.returncode == 3
        assert line in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda record: record["backbone"].update(sha256="0" * 64), "made with another backbone"),
        (
            lambda record: record["settings"].update(backbone="gone.onnx"),
            "gone.onnx, which is not here",
        ),
        (lambda record: record.pop("backbone"), "names no backbone"),
        (lambda record: record.update(format=99), "written by a newer Verger"),
    ],
)
def test_a_store_that_does_not_fit_is_one_line(
    made: tuple[Path, Path], tmp_path: Path, change: Any, line: str
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    for part in ("features", "projection", "gallery"):
        shutil.copytree(made[1] / part, store / part)
    record = json.loads((made[1] / RECORD).read_text())
    change(record)
    (store / RECORD).write_text(json.dumps(record))
    done = verger("identify", store, views_of(made[0])[0])
    assert done.returncode in (4, 5)
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_store_is_one_line(tmp_path: Path) -> None:
    done = verger("identify", tmp_path, "photo.jpg")
    assert done.returncode == 4
    assert "No finished run in" in done.stderr


@pytest.mark.slow
def test_looking_up_imports_no_spark(made: tuple[Path, Path]) -> None:
    photos, store = made
    code = (
        "import sys; from pathlib import Path; from verger.gallery.identify import Identifier; "
        "Identifier.open(Path(sys.argv[1])).identify([Path(sys.argv[2]).read_bytes()]); "
        "sys.exit(any(name in sys.modules for name in ('pyspark', 'py4j', 'pandas')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store), str(views_of(photos)[0])], check=False
    )
    assert done.returncode == 0


def told(verdict: Verdict, label: str, group: str, confidence: float, known: float) -> Answer:
    first = Guess(label, confidence, confidence), Guess(group, confidence, confidence)
    return Answer(
        verdict, False, confidence, (first[0], Guess("Plum", 0.1, 0.1)),
        (first[1], Guess("plum", 0.1, 0.1)), known, (), 1,
    )  # fmt: skip


def test_measures_of_answers_that_are_known() -> None:
    labels, groups = ("Apple Golden 1", "Apple Red 1", "Plum"), ("apple", "apple", "plum")
    cases = [
        Case("Apple Golden 1", told(Verdict.VARIETY, "Apple Golden 1", "apple", 0.9, 0.8)),
        Case("Apple Golden 1", told(Verdict.VARIETY, "Apple Red 1", "apple", 0.9, 0.7)),
        Case("Plum", told(Verdict.AMBIGUOUS, "Apple Red 1", "apple", 0.5, 0.02)),
        Case("Apple Braeburn 1", told(Verdict.GROUP, "Apple Red 1", "apple", 0.6, 0.5)),
        Case("Carton", told(Verdict.UNKNOWN, "Plum", "plum", 0.4, 0.01)),
    ]
    found = measure(cases, labels, groups)
    assert found["labels"] == {"photos": 3, "top_1": 0.3333, "top_5": 0.6667}
    assert found["groups"] == {"photos": 4, "top_1": 0.75, "top_5": 1.0}
    rows = {name: (row["photos"], row["right"]) for name, row in found["verdicts"].items()}
    assert rows == {
        "named": (3, 0.6667), "variety": (2, 0.5), "group": (1, 1.0), "ambiguous": (1, 1.0),
        "unfamiliar": (0, None), "unknown": (1, 1.0),
    }  # fmt: skip
    assert found["verdicts"]["named"]["share"] == 0.6
    assert found["verdicts"]["named"]["confidence"] == 0.8
    assert found["calibration"]["label_error"] == pytest.approx((0.8 + 0.5) / 3, abs=1e-4)
    never = found["never_seen"]
    assert (never["photos"], never["no_variety_claimed"], never["not_named"]) == (2, 1.0, 0.5)
    assert never["of_groups_never_seen"] == {"photos": 1, "not_named": 1.0, "auroc": 1.0}
    assert never["auroc"] == pytest.approx(5 / 6, abs=1e-4)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_is_measured_says_which_photos_a_row_is_of(language: str) -> None:
    labels, groups = ("Apple Golden 1", "Apple Red 1", "Plum"), ("apple", "apple", "plum")
    answers = [
        *[told(Verdict.VARIETY, "Apple Red 1", "apple", 0.9, 0.8)] * 5,
        *[told(Verdict.GROUP, "Apple Red 1", "apple", 0.8, 0.7)] * 3,
        told(Verdict.AMBIGUOUS, "Apple Red 1", "apple", 0.5, 0.5),
        told(Verdict.UNKNOWN, "Plum", "plum", 0.4, 0.1),
    ]
    cases = [Case("Apple Red 1", answer) for answer in answers]
    measured = {
        "photos": 10, "rejected": 0, "rejected_by_reason": {}, "unlabelled": 0,
        **measure(cases, labels, groups),
    }  # fmt: skip
    speak(language)
    try:
        lines = [say(line) for line in evaluation_lines(measured)]
    finally:
        speak("en")
    rows = [re.fullmatch(r"( *)(\S.*?) +(\d+) +(?:([\d.,]+)\s?%|–).*", line) for line in lines]
    table = [(len(row[1]), row[2], int(row[3]), row[4]) for row in rows if row][2:]
    assert [indent for indent, *_ in table] == [0, 2, 2, 0, 0, 0]
    named, variety, group, *rest = [photos for _, _, photos, _ in table]
    assert (named, variety, group) == (8, 5, 3)
    assert named + sum(rest) == 10
    assert table[0][1] == {"en": "named, of which", "fr": "nommées, dont"}[language]
    whole = {"en": "Share: of all 10 photos.", "fr": "Part : sur l’ensemble (10 photos)."}
    assert whole[language] in "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.slow
def test_the_gallery_of_the_run_is_validated(made: tuple[Path, Path]) -> None:
    assert Gallery.open(made[1]).calibration.photos > 100
