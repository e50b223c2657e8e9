"""What the command line says in French: all of it, found again whatever stands in between."""

from __future__ import annotations

import errno
import inspect
import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter

import click
import pytest

import verger
from verger.cli.main import cli
from verger.gallery.build import NOT_VALIDATED
from verger.texts.catalogue import catalogue
from verger.texts.command import Template, phrases, say, say_all, speak, wanted
from verger.texts.numbers import Numbers, plural
from wording import Said, said_in

CODE = Path(verger.__file__).parent
# What says nothing on the command line: its texts have a surface of their own, or are for programs.
ELSEWHERE = (
    "_moved.py", "app/site.py", "interface", "notebook", "report", "serve", "slides", "spark/ml",
    "texts", "demo/berries.py", "demo/exotics.py", "demo/orchard.py", "demo/render.py",
    "demo/stone.py", "knowledge",
)  # fmt: skip
# Prose to the eye alone: names of columns, regular expressions, commands, what others say.
NOT_SAID = re.compile(
    r"""
    [\w,\ ]*\b(string|long)\b[\w,\ ]*
    | .*(\\w|\.\+|\|ENOSPC|\\d|\[\^).*
    | .*(-m\ pip|pip\ install|import\ pandas|\{verger\}|s3:ListBucket|storage\.objects).*
    | verger\ \w+(\ \w+)? | (xdg-)?open\ \{page\} | --device\ cuda | \{minutes\}.*
    | leave\ out | (square\ root,\ )?unit\ length | \{once.*|'ONCE.* | mean\ of\ \{name\}
    | \{dtype\}\ \{layout\},.* | \{\{'descr'.* | \#!/bin/sh.* | 127\.0\.0\.1.*
    | Spark\ \{version\}\{page\} | Java\ \{oldest\} | no\ stat | start\ new\ thread
    | Network\ Trash\ Folder | System\ Volume\ Information | different\ version
    | EMR\ Serverless,\ Max.* | .*\ was\ not\ (told|written):\ \{error\}\n | token\ \{token\}
    | Contents\[\].* | \{it\}\ (vCPU|GB) | Elastic\ Map\ Reduce\ Instance | ProxyCommand=.*
    | No\ module\ named\ pip | Ignored\ the\ following | (Generator|Root-Is-Purelib|Tag):.*
    | a\ place\ before\ the\ beginning | service\ account\ file | Account\ must\ be\ specified
    | HTTP\ error | (error\ sending|response\ body|Received).*|External\ AWS.*
    | module\ 'verger'\ has.* | verger:\ \{(error|lines)\}
    """,
    re.VERBOSE | re.DOTALL,
)
# Parts of the notes of a run record, which `terms.toml` has: see `test_catalogue.py`.
NOTES = {
    NOT_VALIDATED,
    "{name} has no card ({card_name}): its input is taken as {taken}.",
    "Labels are those of the list of photos, not of folders.",
    "{file} is not in UTF-8; it was read as Windows-1252.",
    "{unused} rows",
    "{rows} of {file} {names} no photo that was found.",
    "1 file is",
    "{litter:,} files are",
    "{files} left out: hidden, or left by a system (such as ._* or __MACOSX).",
    "without an extension",
    "{more:,} more",
    "Files beside the photos: {shown}.",
    "No photo was embedded: there is",
    "One photo has",
    "All {rows} photos are alike and have",
    "{what} no variance to explain, so the matrix has no component.",
    "{wanted} components were asked for; {rows} photos give {k}, all there are.",
    "One label only: there is no discriminant projection.",
    "{unlabelled} of {listed} photos {have} no label.",
    "{by_path_alone} photos",
    "Nothing but the URL is known of {photos}: the servers say no size, time or ETag, so that "
    "another photo at the same URL would not be noticed.",
    "1 photo is gone that `verger relabel` corrected; its correction counts again if it "
    "comes back.",
    "{uncorrected} photos are gone that `verger relabel` corrected; their corrections count "
    "again if they come back.",
    ", and {alike} more",
    "Labels differ in case alone: {alike}{more}.",
}


@pytest.fixture
def french() -> Iterator[None]:
    speak("fr")
    yield
    speak("en")


@cache
def all_said() -> tuple[Said, ...]:
    return tuple(said for path in sorted(CODE.rglob("*.py")) for said in said_in(path, CODE))


def helps(of: click.Command = cli, name: str = "verger") -> Iterator[tuple[str, str]]:
    """Each paragraph of help, and each option's, with the name of its command."""
    for paragraph in inspect.cleandoc(of.help or "").split("\n\n"):
        yield name, " ".join(paragraph.split())
    for option in of.params:
        if isinstance(option, click.Option) and option.help:
            yield f"{name} {option.opts[0]}", " ".join(option.help.split())
    for each, one in getattr(of, "commands", {}).items():
        yield from helps(one, f"{name} {each}")


def test_all_help_is_in_french() -> None:
    english = [(name, text) for name, text in helps() if phrases("fr").known(text) is None]
    assert english == []


def test_all_that_the_code_says_is_in_french() -> None:
    known = set(catalogue("command"))
    english = [
        (said.file, said.line, said.template)
        for said in all_said()
        if said.is_prose
        and not said.file.startswith(ELSEWHERE)
        and said.template not in known | NOTES
        and not NOT_SAID.fullmatch(said.template)
    ]
    assert english == []


def test_no_text_is_in_two_rooms() -> None:
    assert sum(map(len, by_room().values())) == len(catalogue("command"))


def test_nothing_is_in_french_that_no_code_says() -> None:
    said = {said.template for said in all_said()} | {text for _, text in helps()}
    system = {os.strerror(number) for number in errno.errorcode}
    theirs = "\n".join(
        path.read_text(encoding="utf-8") for path in Path(click.__file__).parent.glob("*.py")
    )
    gone = [
        text
        for text in catalogue("command")
        if text not in said | system
        and not all(
            literal.strip() in theirs for literal, *_ in Formatter().parse(text) if literal.strip()
        )
    ]
    assert gone == []


@cache
def by_room() -> dict[str, dict[str, str]]:
    rooms: dict[str, dict[str, str]] = json.loads(
        (CODE / "texts" / "command.fr.json").read_text(encoding="utf-8")
    )
    return rooms


COUNTS = ("-1,234.5%", "1", "0")
HOSTILE = 'a b/{x} {0} (c+d)*[e].j|pg — « où ? » 100 % d’été:$1 \\d\\n "f" ;g'


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("room", sorted(by_room()))
def test_each_text_is_found_again_whatever_stands_in_it(
    room: str, count: str, french: None
) -> None:
    numbers = Numbers("fr")
    for english, there in by_room()[room].items():
        texts = {name for _, name, _, how in Formatter().parse(there) if name and how == "t"}
        filled, values, beside = "", dict[str, str](), False
        is_vague = Template(english, there).is_vague
        counted = {name for _, name, _, how in Formatter().parse(there) if how == "p"}
        for literal, name, spec, how in Formatter().parse(english):
            filled += literal
            if name is None:
                continue
            if spec and how == "p":
                filled += spec.split("|")[count != "1"]
                beside = False
                continue
            if name not in values:
                ours = "changed" if name in texts and is_vague else HOSTILE
                is_number = spec or name in counted
                values[name] = count if is_number else "" if beside and not literal else ours
            beside = not spec
            filled += values[name]
        if Template(english, there).is_part:  # such stand in others alone
            assert say(filled) == filled
            filled = f"This is still left of j: {filled}."
        wanted_ = str(catalogue("command")[english]["fr"])
        expected = "".join(
            literal
            + (
                "" if name is None
                else spec.split("|")[count not in ("0", "1")] if spec and how == "p"
                else numbers.localized(values[name]) if spec
                else say(values[name]) if how == "t"
                else values[name]
            )
            for literal, name, spec, how in Formatter().parse(wanted_)
        )  # fmt: skip
        if Template(english, there).is_part:
            expected = f"Il reste encore de j\u00a0: {expected}."
        assert say(filled) == expected, english


def test_paths_and_labels_are_left_as_they_are(french: None) -> None:
    assert say("No such folder: server room/new left out.jpg").endswith(
        ": server room/new left out.jpg"
    )
    for theirs in ("server room/a.jpg", "Apple Golden", "what no version says", "", "  "):
        assert say(theirs) == theirs


def test_what_a_text_quotes_is_in_french_too(french: None) -> None:
    line = say("photos/labels.csv is not a gallery (label_ids.npy is missing).")
    assert line == "photos/labels.csv n’est pas une galerie (label_ids.npy manque)."
    assert say("1,234 photos: 1,200 new, 34 kept.") == (
        "1\u202f234 photos\u00a0: 1\u202f200 nouvelles, 34 gardées."
    )
    assert say("STORE has no photo a b.jpg, and 3 more.") == (
        "Le STORE n’a pas de photo a b.jpg et 3 autres."
    )


@pytest.mark.parametrize(
    ("english", "there"),
    [
        ("1 gone", "1 disparue"),
        ("2 gone", "2 disparues"),
        ("5 new, 1 gone.", "5 nouvelles, 1 disparue."),
        ("1 left out.", "1 écartée."),
        ("1 photo: 1 new.", "1 photo\u00a0: 1 nouvelle."),
        ("1 photo has the bytes of one", None),
        (
            "1 photo of 2 labels embedded by lite; 2 s in all.",
            "1 photo de 2 étiquettes encodée par lite\u202f; 2 s en tout.",
        ),
        ("1 core", "1 cœur"),
        ("1 component keeps 90.0% of the variance of 1280 features (rank 1).",
         "1 composante garde 90,0\u202f% de la variance de 1280 caractéristiques (rang 1)."),
        ("1 finding", "1 constat"),
        ("12 findings", "12 constats"),
        (", 1 rejected", ", 1 rejetée"),
        ("STORE has no photo a.jpg, and 1 more.", "Le STORE n’a pas de photo a.jpg et 1 autre."),
    ],
)  # fmt: skip
def test_a_count_and_its_words_agree(english: str, there: str | None, french: None) -> None:
    assert say(english) == (there or english)


def test_english_counts_agree_with_their_words() -> None:
    assert [f"{n} photo{plural(n)}" for n in (0, 1, 2)] == ["0 photos", "1 photo", "2 photos"]
    assert [plural(n, "has", "have") for n in (0, 1, 2)] == ["have", "has", "have"]


# A number that may be one before a word that is written for several, without `plural`.
MANY = re.compile(r"\{(\w+)(?::[,d]+)?\} (?:photos|labels|files|rows|components|cores)\b")
# What is never one, or is a whole that a part is told of.
NEVER_ONE = {"looked_at", "files", "images", "calibration", "ours", "n", "listed"}


def test_what_the_code_says_of_a_count_has_both_forms() -> None:
    found = {
        text: name
        for text in catalogue("command")
        for name in MANY.findall(text)
        if name not in NEVER_ONE
    }
    assert found == {}


def test_sentences_are_told_apart_and_unknown_ones_stay(french: None) -> None:
    assert say("Upgrade Verger. What nobody says. Run again.") == (
        "Mettez Verger à jour. What nobody says. Relancez."
    )


def test_english_is_left_alone() -> None:
    assert say("Upgrade Verger.") == "Upgrade Verger."
    assert say_all("One.\n\nTwo.") == "One.\n\nTwo."


@pytest.mark.parametrize(
    ("arguments", "environment", "language"),
    [
        ("run a b", {}, "en"),
        ("run a b", {"LANG": "fr_FR.UTF-8"}, "fr"),
        ("run a b", {"LANG": "fr"}, "fr"),
        ("run a b", {"LANG": "de_DE.UTF-8"}, "en"),
        ("run a b", {"LANG": "frp_IT.UTF-8"}, "en"),
        ("run a b", {"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ("run a b", {"LANG": "en_GB.UTF-8", "LC_MESSAGES": "fr_CA.UTF-8"}, "fr"),
        ("run a b", {"LC_MESSAGES": "fr_FR.UTF-8", "LC_ALL": "C"}, "en"),
        ("run a b", {"LC_MESSAGES": "fr_FR.UTF-8", "LC_ALL": ""}, "fr"),
        ("run a b", {"LANG": "en_US.UTF-8", "LANGUAGE": "de:fr:en"}, "fr"),
        ("run a b", {"LANG": "fr_FR.UTF-8", "LANGUAGE": "en"}, "en"),
        ("run a b", {"LANG": "C.UTF-8", "LANGUAGE": "fr"}, "en"),
        ("run a b --language fr", {"LANG": "en_GB.UTF-8"}, "fr"),
        ("--language=en run a b", {"LANG": "fr_FR.UTF-8"}, "en"),
        ("run a b --language de", {"LANG": "fr_FR.UTF-8"}, "fr"),
        ("run -- a b --language fr", {}, "en"),
        ("run a b --language", {}, "en"),
    ],
)
def test_the_language_is_that_of_the_option_or_of_the_locale(
    arguments: str, environment: dict[str, str], language: str
) -> None:
    assert wanted(arguments.split(), environment) == language
