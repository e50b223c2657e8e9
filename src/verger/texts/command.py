"""What the command line says, in the language of whoever reads it.

A text stands in English where it is said, an f-string as often as not. French is put in where it is
printed: `command.fr.json` has a French template for each English one (`{photos:,} photos of
{labels:,} labels …`), and a line is found again by the words between the placeholders. Whatever has
no French stays English.

In a French template `{name}` is what stood there, as it stood: a path, a label. `{name:,}` and
other formats of numbers are written as French writes them. `{name!p:|s}` has two forms, for one and
for several of that number; where the English has them, `plural` chose. `{name!t}` is a text of ours
in its turn, such as the error that another one quotes, and is translated too. Nothing else is: what
users wrote is theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from string import Formatter

from verger.texts import LANGUAGES
from verger.texts.catalogue import catalogue
from verger.texts.numbers import Numbers

_OPTION = "--language"
_NUMBER = re.compile(r"[,+]?(?:\.\d+)?[defg%,]?")  # a format that writes a number
_WRITTEN = r"[+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?%?"  # what such a format writes
_ONE_WORD = re.compile(r"[a-z]+ ")
_SENTENCES = re.compile(r"(?<=[.!?]) (?=\S)")
_LEAST = 3  # letters of its own that a text is known by
_spoken = LANGUAGES[0]


def writes_a_number(spec: str) -> bool:
    """Say whether a format, what follows the colon of a placeholder, is one of numbers."""
    return bool(spec and _NUMBER.fullmatch(spec))


def wanted(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the language of messages: that of `--language`, else that of the locale.

    The locale is that of LC_ALL, LC_MESSAGES or LANG; unless it is C, LANGUAGE, a list, goes before
    it, as in GNU gettext.
    """
    for at, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        given = value if equals else "".join(arguments[at + 1 : at + 2])
        if name == _OPTION and given in LANGUAGES:
            return given
        if word == "--":
            break
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "C")
    if locale.partition(".")[0] in ("C", "POSIX"):
        return LANGUAGES[0]
    for one in [*environment.get("LANGUAGE", "").split(":"), locale]:
        if (code := re.split(r"[_.@-]", one)[0].lower()) in LANGUAGES:
            return code
    return LANGUAGES[0]


def speak(language: str) -> None:
    """Say everything in this language from now on, in this process."""
    global _spoken
    _spoken = language


def spoken() -> str:
    """Return the language that everything is said in."""
    return _spoken


def say(text: str) -> str:
    """Return a text in the language that is spoken; as it is, where that has no words for it."""
    if _spoken == LANGUAGES[0] or not text.strip():
        return text
    return phrases(_spoken).say(text)


def localized(number: str) -> str:
    """Return a number that was written as English writes it, as the language spoken does."""
    return Numbers(_spoken).localized(number)


def say_all(text: str) -> str:
    """Return paragraphs, such as those of a help, in the language that is spoken."""
    if _spoken == LANGUAGES[0]:
        return text
    return "\n\n".join(say(" ".join(paragraph.split())) for paragraph in text.split("\n\n"))


class Template:
    """An English text with placeholders, and the other language's."""

    def __init__(self, english: str, other: str) -> None:
        self.other = other
        self._pieces = list(Formatter().parse(english))
        self.words = max((literal for literal, *_ in self._pieces), key=len)
        self.letters = sum(c.isalpha() for literal, *_ in self._pieces for c in literal)
        start, _, spec, _ = self._pieces[0]
        # `{name} is {state}`, `{count:,} {change}`
        self.is_vague = self.letters < (1 if start or spec else _LEAST)
        # `server {name}`: a path may begin like that.
        self.is_part = bool(_ONE_WORD.fullmatch(start)) and self.letters == len(start) - 1

    @cached_property
    def _pattern(self) -> tuple[re.Pattern[str], list[list[str]]]:
        """Return what the English looks like, and which placeholders each of its groups has."""
        pattern, groups = "", [[""]]
        for literal, name, spec, how in self._pieces:
            pattern += re.escape(literal)
            if name is None:
                continue
            if spec and how == "p":
                forms = sorted(spec.split("|"), key=len, reverse=True)  # a longer one begins alike
                pattern += f"(?:{'|'.join(map(re.escape, forms))})"
                continue
            known = [group[0] for group in groups]
            if name in known and len(groups[known.index(name)]) == 1:  # said before
                pattern += rf"(?:\{known.index(name)})"
            elif spec:
                groups.append([name])
                pattern += f"({_WRITTEN})"
            elif not literal and pattern.endswith("(.*?)"):  # beside another one
                groups[-1].append(name)
            else:
                groups.append([name])
                pattern += "(.*?)"
        return re.compile(pattern, re.DOTALL), groups

    @cached_property
    def texts(self) -> set[str]:
        """The placeholders in which a text of ours stands."""
        return {name for _, name, _, how in Formatter().parse(self.other) if name and how == "t"}

    def values(self, text: str, known: Phrases) -> dict[str, str] | None:
        """Return what stands in the placeholders of an English text; None if it is another one."""
        if self.words not in text:
            return None
        pattern, groups = self._pattern
        if not (found := pattern.fullmatch(text)):
            return None
        values = {}
        for names, value in zip(groups[1:], found.groups(), strict=True):
            left = value
            for name in names[:0:-1]:  # from the last: the longest end that is a text of ours
                at = next((at for at in range(len(left)) if left[at:] in known), len(left))
                left, values[name] = left[:at], left[at:]
            values[names[0]] = left
        return values


class Phrases:
    """All that the command line says in another language."""

    def __init__(self, texts: Mapping[str, str], numbers: Numbers) -> None:
        self._numbers = numbers
        self._exact, templates = {}, []
        for english, other in texts.items():
            template = Template(english, other)
            if any(name is not None for _, name, *_ in Formatter().parse(english)):
                templates.append(template)
            else:
                self._exact[english.format()] = other.format()
        self._templates = sorted(templates, key=lambda one: -one.letters)

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and self.known(text) is not None

    def known(self, text: str, *, alone: bool = False) -> str | None:
        """Translate one text; None for one that is not known, or never stands `alone`."""
        if text in self._exact:
            return self._exact[text]
        for template in self._templates:
            values = None if alone and template.is_part else template.values(text, self)
            if values is not None and (not template.is_vague or self._knows(template, values)):
                return "".join(self._filled(template, values))
        return None

    def _knows(self, template: Template, values: Mapping[str, str]) -> bool:
        """Say whether a text of ours in it is known: it has no words of its own to go by."""
        return any(values[name] in self._exact for name in template.texts)

    def say(self, text: str, *, alone: bool = True) -> str:
        """Translate a text, or those of its sentences and parts that are known."""
        bare = text.strip()
        start, end = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        if (whole := self.known(text, alone=alone)) is not None:
            return whole
        if (whole := self.known(bare, alone=alone)) is not None:
            return start + whole + end
        for split, joint in ((_SENTENCES, " "), (re.compile("; "), "; "), (re.compile(", "), ", ")):
            if split is not _SENTENCES and bare.endswith("."):  # which ends the last part
                bare, end = bare[:-1], f".{end}"
            parts = split.split(bare)
            if len(parts) > 1 or end.startswith("."):
                said = [*self._runs(parts, joint, alone=alone)]
                if said != parts:
                    return start + joint.join(said) + end
        return text

    def _runs(self, parts: Sequence[str], joint: str, *, alone: bool) -> Iterator[str]:
        """Translate the longest runs of parts that are known."""
        at = 0
        while at < len(parts):
            for to in range(len(parts), at, -1):
                known = self.known(joint.join(parts[at:to]), alone=alone)
                if known is not None:
                    yield known
                    at = to
                    break
            else:
                yield parts[at]
                at += 1

    def _filled(self, template: Template, values: Mapping[str, str]) -> Iterator[str]:
        for literal, name, spec, how in Formatter().parse(template.other):
            yield literal
            if name is not None:
                yield self._written(values[name], spec or "", how)

    def _written(self, value: str, spec: str, how: str | None) -> str:
        """Write what stands in a placeholder as the other language has it."""
        if how == "p":
            one, many = spec.split("|")
            return one if self._numbers.is_one(_count(value)) else many
        if how == "t":
            return self.say(value, alone=False)
        return self._numbers.localized(value) if spec else value


def _count(written: str) -> float:
    """Read a number that was written as English writes it; what is none counts as several."""
    try:
        return float(written.replace(",", ""))
    except ValueError:
        return math.inf


@cache
def phrases(language: str) -> Phrases:
    """Return what the command line says in a language other than English."""
    notes = {
        str(texts["en"]): re.sub(r"\{(\w+)\}", r"{\1}", str(texts[language]))
        for key, texts in catalogue("terms").items()
        if key.startswith("notes.")
    }
    ours = {english: str(texts[language]) for english, texts in catalogue("command").items()}
    return Phrases(notes | ours, Numbers(language))
