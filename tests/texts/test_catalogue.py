"""The catalogue: all in both languages, with the same fields, in the words of the glossary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from verger.gallery.build import NOT_VALIDATED
from verger.photos.labels import CsvLabels, ParentLabels
from verger.photos.reasons import Reason
from verger.photos.selection import Selection
from verger.projections.moments import Moments
from verger.projections.pca import fit_pca
from verger.settings import RunSettings
from verger.store.inventory import Tally
from verger.store.record import discriminant_notes, pca_notes
from verger.store.stock import label_notes
from verger.texts import LANGUAGES
from verger.texts.catalogue import SURFACES, catalogue, notebook_cells, said
from verger.texts.terms import Terms

REPOSITORY = Path(__file__).resolve().parents[2]
GLOSSARY = REPOSITORY / "docs" / "glossary.fr.md"
FIELD = re.compile(r"%\((\w+)\)s|\{(\w+)(?:!t)?(?::[^}]*)?\}")


def forms(text: str | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else text


@pytest.mark.parametrize("surface", SURFACES)
def test_everything_is_said_in_each_language_with_the_same_fields(surface: str) -> None:
    assert catalogue(surface)
    for key, texts in catalogue(surface).items():
        assert set(texts) == set(LANGUAGES), key
        english = set(FIELD.findall(forms(texts["en"])[0]))
        for text in texts.values():
            for form in forms(text):
                assert form.strip(), key
                if surface != "notebook":  # code, in which braces are no fields
                    assert set(FIELD.findall(form)) == english, key


def test_no_line_ends_before_a_sign_of_french() -> None:
    assert said("page", "fr")["title"].endswith("fruit\u202f?")
    for surface in set(SURFACES) - {"notebook"}:
        for key, text in said(surface, "fr").items():
            for form in forms(text):
                assert not re.search(r" [;?!:»]|« ", form), key


def avoided() -> Iterator[tuple[str, re.Pattern[str]]]:
    """The French for something, and a word that is not to be said in its place."""
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| anglais", "| ---")):
            _, french, wrong = (cell.strip() for cell in line.strip("|").split("|"))
            for word in filter(None, (one.strip() for one in wrong.split(","))):
                pattern = rf"(?<![\w/.`_-]){re.escape(word)}s?\b(?![/.`_-]\w)"
                yield french, re.compile(pattern, re.IGNORECASE)


def french() -> Iterator[tuple[str, str]]:
    """All that is said in French, and where; without code, names of files and options."""
    for surface in SURFACES:
        for key, text in said(surface, "fr").items():
            yield from (
                (f"{surface}: {key}", re.sub(r"%\(\w+\)s|\{[^}]*\}", "", form))
                for form in forms(text)
            )
    yield from ((f"notebook, text {at}", text) for at, text in enumerate(notebook_cells(), 1))
    for page in [REPOSITORY / "README.fr.md", *REPOSITORY.glob("docs/**/*.fr.md")]:
        if page != GLOSSARY:
            text = page.read_text(encoding="utf-8")
            text = re.sub(r"(?s)^```.*?^```|`[^`\n]*`|\]\([^)]*\)", "", text, flags=re.M)
            for at, line in enumerate(text.splitlines(), 1):
                yield f"{page.name}, line {at}", line


def test_french_keeps_to_its_glossary() -> None:
    words = list(avoided())
    assert len(words) > 20
    wrong = [
        f"{where}: not “{found[0]}” but “{instead}”"
        for where, text in french()
        for instead, word in words
        if (found := word.search(re.sub(r"`[^`\n]*`", "", text)))
    ]
    assert wrong == []


def test_every_reason_stage_and_setting_has_its_word() -> None:
    terms = set(catalogue("terms"))
    reasons = {term for term in terms if term.startswith("reasons.")}
    assert reasons == {f"reasons.{reason.value}" for reason in Reason}
    stages = {"list", "start", "embed", "fit", "project", "gallery", "csv"}
    assert {f"stages.{stage}" for stage in stages} <= terms
    assert {f"settings.{name}" for name in RunSettings().as_record()} <= terms


def test_every_note_of_a_record_is_said_in_french(tmp_path: Path) -> None:
    sheet = tmp_path / "labels.csv"
    sheet.write_bytes("path,label\na.jpg,pêche\nb.jpg,kiwi\nc.jpg,kiwi\n".encode("cp1252"))
    listed = CsvLabels(sheet, "photos")
    listed("a.jpg")
    of_list = ParentLabels("photos")
    of_list.given("a/b.jpg", "kiwi")
    seen = Selection(hidden=False)
    for path in (".hidden.jpg", "notes.txt", "x"):
        seen.takes(path)
    tally = Tally()
    tally.listed, tally.unlabelled, tally.by_path_alone = 7, 3, 2
    tally.labels.update(("Kiwi", "kiwi"))
    tally.left_out = seen.notes()
    alone, both, none = (Moments.of(np.eye(2)[:rows]) for rows in (1, 2, 0))
    notes = [
        *label_notes("parent", tally, of_list), *listed.notes(), NOT_VALIDATED,
        *discriminant_notes(1),
        *pca_notes(fit_pca(alone, 0.95), RunSettings()),
        *pca_notes(fit_pca(none, 0.95), RunSettings()),
        *pca_notes(fit_pca(both, 9), RunSettings(components="9")),
    ]  # fmt: skip
    assert len(notes) >= 12
    french = [Terms("fr").note(note) for note in notes]
    assert None not in french, [n for n, f in zip(notes, french, strict=True) if f is None]
    assert Terms("en").note(notes[0]) == notes[0]
    assert Terms("fr").note("what no version says") is None
