"""What a run says while it works."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from verger import progress
from verger.progress import Plain, Silent, _clock, bars, reporter
from verger.progress.bars import Bars

if TYPE_CHECKING:
    from verger.progress import Reporter


def work(told: Reporter, total: int | None = 200) -> None:
    with told.stage("Embedding", total, "photos") as stage:
        stage.update(0)
        stage.update(50, 2)
        stage.update(200, 3)
    told.say("[bold]as it is[/bold]")


def test_off_a_terminal_lines_are_plain(capfd: pytest.CaptureFixture[str]) -> None:
    work(Plain(seconds=0))
    out, err = capfd.readouterr()
    assert out == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", err)  # no escape codes, no carriage returns
    lines = err.splitlines()
    assert lines[0].startswith("Embedding: 0/200 photos, ")
    assert re.fullmatch(r"Embedding: 50/200 photos, 2 rejected, [\d.]+/s, [\d.]+ s left", lines[1])
    assert re.fullmatch(r"Embedding: 200/200 photos, 3 rejected in [\d.]+ s", lines[3])
    assert lines[4] == "[bold]as it is[/bold]"


def test_plain_lines_are_few(capfd: pytest.CaptureFixture[str]) -> None:
    with Plain().stage("Listing", None, "photos") as stage:
        for n in range(10_000):
            stage.update(n)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Listing: 9999 photos in ")


def fail(told: Reporter) -> None:
    with told.stage("Embedding", 5, "photos") as stage:
        stage.update(3)
        raise OSError("disk")


def test_a_stage_of_nothing_and_one_that_fails_say_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Plain(seconds=0).stage("Embedding", 0, "photos"):
        pass
    with pytest.raises(OSError, match="disk"):
        fail(Plain())
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("done", "total", "told"),
    [(1, None, "1 photo"), (2, None, "2 photos"), (1, 1, "1/1 photo"), (1, 2, "1/2 photos")],
)
def test_one_photo_is_told_as_one(
    done: int, total: int | None, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with Plain().stage("Listing", total, "photos") as stage:
        stage.update(done)
    assert capfd.readouterr().err.startswith(f"Listing: {told} in ")


def test_quiet_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    work(Silent())
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_bar_with_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "_FIRST_RATE", 0.0)
    screen = io.StringIO()
    work(Bars(Console(file=screen, force_terminal=True, width=120)))
    shown = screen.getvalue()
    assert "\x1b[" in shown
    for part in ("Embedding", "100%", "200/200", "photos/s", "3 rejected", "[bold]as it is[/bold]"):
        assert part in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown), part


def test_nothing_is_foretold_in_the_first_moments() -> None:
    screen = io.StringIO()
    work(Bars(Console(file=screen, force_terminal=True, width=120)))
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert not re.search(r"/s|\d:\d\d", shown)


def test_a_bar_of_unknown_length_and_markup_in_nothing() -> None:
    screen = io.StringIO()
    work(Bars(Console(file=screen, force_terminal=True, width=120)), total=None)
    assert "200/200" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())


def test_the_reporter_fits_where_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(reporter(quiet=True), Silent)
    assert isinstance(reporter(quiet=False), Plain)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (8.44, "8.4 s"),
        (42.4, "42 s"),
        (59.7, "1 min 00 s"),
        (60, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_are_written_as_a_person_does(seconds: float, text: str) -> None:
    assert _clock(seconds) == text


def test_a_step_that_took_its_time_is_a_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Plain().step("Fitting"):
        pass
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(progress, "_LONG", 0.0)
    with Plain().step("Fitting"):
        pass
    with Silent().step("Fitting"):
        pass
    assert re.fullmatch(r"Fitting: 0\.\d s\n", capfd.readouterr().err)


def test_a_step_on_a_terminal_shows_how_long_it_takes() -> None:
    console = Console(force_terminal=True, file=io.StringIO(), width=80)
    with Bars(console).step("Fitting"):
        pass
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Fitting" in shown
    assert "0:00:00" in shown
