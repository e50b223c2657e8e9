"""A PDF of a deck, by LibreOffice where it is there."""

from __future__ import annotations

import shutil
import subprocess

from verger.machine.folders import scratch_folder

_NAMES = ("soffice", "libreoffice")
_SECONDS = 180


def libreoffice() -> str | None:
    """Return where LibreOffice is on this machine; None where it is not."""
    return next((path for path in map(shutil.which, _NAMES) if path), None)


def as_pdf(program: str, deck: bytes) -> bytes | None:
    """Return a deck as PDF; None where LibreOffice fails or takes more than three minutes."""
    with scratch_folder() as folder:
        (folder / "deck.pptx").write_bytes(deck)
        # A profile of its own: LibreOffice runs once a profile, and a person may have it open.
        command = [
            program, f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless",
            "--convert-to", "pdf", "--outdir", str(folder), str(folder / "deck.pptx"),
        ]  # fmt: skip
        try:
            subprocess.run(  # noqa: S603 - a list of arguments, and no shell
                command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=True
            )
            return (folder / "deck.pdf").read_bytes()
        except (OSError, subprocess.SubprocessError):
            return None
