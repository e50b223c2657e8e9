"""The command line in French: by an option, by the locale, and never where programs read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from program import verger
from verger.cli.relabel import _told
from verger.pipeline.relabelling import Relabelling
from verger.store.corrections import Corrections
from verger.texts.command import speak
from whole_runs import Here, Whole

FRENCH = {"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": "", "LANG": "fr_FR.UTF-8"}


def lines(*needed: str, of: str) -> Iterable[str]:
    return [each for each in needed if each not in of]


def test_the_locale_decides_and_the_option_before_it() -> None:
    french, english = os.environ | FRENCH, os.environ | FRENCH | {"LC_MESSAGES": "en_GB.UTF-8"}
    told = verger("identify", "nowhere", "a.jpg", env=french)
    assert told.code == 4
    assert told.error == (
        "verger: Aucune exécution terminée dans nowhere\u00a0: il n’existe pas. "
        "`verger run PHOTOS STORE` en fait une."
    )
    assert verger("identify", "nowhere", "a.jpg", env=english).error == (
        "verger: No finished run in nowhere: it does not exist. "
        "`verger run PHOTOS STORE` makes one."
    )
    again = verger("--language", "fr", "identify", "nowhere", "a.jpg", env=english)
    assert again.error == told.error


def test_output_that_has_no_letters_for_french_stays_english() -> None:
    told = verger("rejects", "nowhere", env=os.environ | FRENCH | {"PYTHONIOENCODING": "ascii"})
    assert told.error.startswith("verger: No finished run")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "Il manque l’argument 'PHOTOS'. Voir verger run --help."),
        (["run", "a", "b", "--foo"], "Pas d’option '--foo'. Voir verger run --help."),
        (["foo"], "Pas de commande 'foo'. Voir verger --help."),
        (["log", "a", "--last", "x"],
         "Valeur incorrecte pour '--last'\u00a0: 'x' n’est pas un nombre entier. "
         "Voir verger log --help."),
        (["report", "a", "--map", "x"],
         "Valeur incorrecte pour '--map'\u00a0: 'x' n’est pas l’un de 'pca', 'neighbours'. "
         "Voir verger report --help."),
        (["serve", "a", "--port", "-5"], "--port -5 est trop petit\u00a0: au moins 0."),
        (["run", "nowhere", "b"],
         "Dossier introuvable\u00a0: nowhere. Vérifiez le chemin de PHOTOS."),
        (["rejects", "a", "b"], "Argument en trop (b) Voir verger rejects --help."),
    ],
)  # fmt: skip
def test_errors_are_french_those_of_click_too(here: Here, arguments: list[str], said: str) -> None:
    told = here("--language", "fr", *arguments)
    assert told.err == f"verger: {said}\n"
    assert told.code != 0


def test_help_is_french(here: Here) -> None:
    help_ = here("--language", "fr", "--help").out
    assert not lines(
        "Usage : verger [OPTIONS] COMMAND", "Commencer :", "Nommer un fruit :",
        "run        Fait des photos de PHOTOS une matrice et un rapport.",
        "Affiche cette aide.", of=help_.replace("\u00a0", " "),
    )  # fmt: skip
    options = here("--language", "fr", "run", "--help-all").out.replace("\u00a0", " ")
    flat = " ".join(options.split())
    assert not lines(
        "[par défaut : 0.95]", "Photos par lot du réseau (par défaut : 4 ; 64 sur GPU).", of=flat
    )


def test_a_run_is_told_in_french_and_its_record_is_not(
    here: Here, whole: Whole, few: list[Path], tmp_path: Path
) -> None:
    photos, store = tmp_path / "new photos, kept", tmp_path / "store"
    for number, file in enumerate(few[:4]):
        folder = photos / ("kiwi" if number % 2 else "left out")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(file.read_bytes())
    told = here("--language", "fr", "run", photos, store)
    assert told.code == 0, told.err
    said = told.out.replace("\u00a0", " ").replace("\u202f", " ")
    assert not lines(
        "4 photos de 2 étiquettes encodées par efficientnet-lite0-int8 ; ", " s en tout.",
        "composantes gardent", f"Dans {store} :", "Ensuite :",
        "matrix.csv   la même chose en un seul fichier CSV",
        "Remarque : Trop peu de photos par étiquette pour une validation", of=said,
    )  # fmt: skip
    assert "Too few photos" in (store / "run.json").read_text(encoding="utf-8")
    again = here("--language", "fr", "run", photos, store).out.replace("\u202f", " ")
    assert again.startswith("À jour\u00a0: rien de nouveau parmi 4 photos.\n")
    plan = here("--language", "fr", "run", photos, store, "--dry-run", "--json").out
    assert json.loads(plan)["kept"] == 4
    named = here("--language", "fr", "identify", store, photos / "kiwi" / "1.jpg").out
    assert named.startswith("photo\tverdict\tanswer\tconfidence\tthen\tnearest photo\n")
    rejected = here("--language", "fr", "rejects", whole.store).out
    assert "\n" in rejected
    assert "truncated" in rejected
    assert "L’image s’arrête trop tôt. Copiez-la de nouveau depuis l’original." in rejected


def test_a_label_that_is_also_a_word_of_ours_stays_as_it_is() -> None:
    labels = (("a.jpg", "plum, gone", "new, changed"),)
    made = Relabelling(Corrections(), labels=labels, left_out=("b.jpg",))
    speak("fr")
    try:
        said = _told(made, dry_run=False)
    finally:
        speak("en")
    assert said == [
        "a.jpg\u00a0: plum, gone → new, changed",
        "b.jpg\u00a0: écartée",
        "1 réétiquetée, 1 écartée.",
    ]
