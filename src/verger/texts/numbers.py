"""Numbers as a language writes them: one way for report, slides and notebook.

The separators are those of CLDR, which browsers use too, so that charts and tables agree.
"""

from __future__ import annotations

import math

HARD, THIN = "\u00a0", "\u202f"  # spaces that no line is broken at
MONTHS = {
    language: names.split()
    for language, names in {
        "en": "January February March April May June July August September October November "
        "December",
        "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre "
        "décembre",
    }.items()
}
_SEPARATORS: dict[str, dict[str, str]] = {"en": {}, "fr": {",": THIN, ".": ",", "%": f"{THIN}%"}}
_SIZES = {"en": ("bytes", "kB", "MB", "GB"), "fr": ("octets", "ko", "Mo", "Go")}
# From how many seconds on, in which unit, with how many digits.
_UNITS = {
    language: ((172_800, 86_400, 1, days), (5_400, 3_600, 1, "h"), (90, 60, 0, "min"))
    for language, days in {"en": "days", "fr": "jours"}.items()
}


def plural(count: float, one: str = "", many: str = "s") -> str:
    """Return the English form for a count: `f"{photos:,} photo{plural(photos)}"`.

    `command.fr.json` has such a place as `{photos!p:|s}`, and French its own forms beside it.
    """
    return one if Numbers().is_one(count) else many


class Numbers:
    """How one language writes numbers."""

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self._separators = str.maketrans(_SEPARATORS[language])

    def is_one(self, count: float) -> bool:
        """Say whether a count takes the singular: 1 in English, all below 2 in French."""
        return count == 1 if self.language == "en" else abs(count) < 2

    def number(self, value: float, digits: int = 0, *, signed: bool = False) -> str:
        """Write a number with separators, and that many digits after the point."""
        return self.localized(f"{value:{'+' if signed else ''},.{digits}f}")

    def power(self, value: float) -> str:
        """Write a number of any size in scientific notation."""
        return self.localized(f"{value:.1e}")

    def percent(self, share: float, digits: int = 1) -> str:
        """Write a share; one that is no number as a dash.

        What was measured has one digit, wherever it is told; small shares among others of their
        kind have as many as tell them apart.
        """
        return self.localized(f"{share:,.{digits}%}") if math.isfinite(share) else "–"

    def exact(self, share: float) -> str:
        """Write a share that was asked for, with no digit more than it has."""
        digits = f"{share:.10%}".rstrip("0%").partition(".")[2]
        return self.percent(share, len(digits))

    def size(self, count: float) -> str:
        """Write a number of bytes in the unit that suits."""
        units, power = _SIZES[self.language], 0
        while count >= 1000 and power < len(units) - 1:
            count, power = count / 1000, power + 1
        return f"{self.number(count, 1 if power else 0)}{HARD}{units[power]}"

    def seconds(self, value: float) -> str:
        """Write a duration in the unit that suits."""
        for size, unit, digits, name in _UNITS[self.language]:
            if value >= size:
                return f"{self.number(value / unit, digits)}{HARD}{name}"
        return f"{self.number(value, 0 if value >= 10 else 1)}{HARD}s"

    def day(self, moment: str) -> str:
        """Write the day of an ISO moment; the text as it is where it is none."""
        year, month, day = moment[:4], moment[5:7], moment[8:10]
        if not (year.isdigit() and month.isdigit() and day.isdigit() and 1 <= int(month) <= 12):
            return moment[:10]
        return f"{int(day)} {MONTHS[self.language][int(month) - 1]} {year}"

    def moment(self, time: str) -> str:
        """Write an ISO moment in UTC to the minute; the text as it is where it is none."""
        day, clock = self.day(time), time[11:16]
        return f"{day}, {clock}{HARD}UTC" if day != time[:10] and clock else time

    def localized(self, text: str) -> str:
        """Write a number that is written in English with the separators of this language."""
        return text.translate(self._separators)
