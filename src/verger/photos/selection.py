"""Which files of a place are photos, by their names; and what else lies beside them."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import unquote

from verger.photos.address import Address
from verger.photos.references import EXTENSIONS

# What systems and tools leave beside photos: trash, thumbnails, snapshots, and halves of files.
_LITTER = (
    # Macs, their zips, sticks and shares
    r"\._[^/]*", "__MACOSX", r"\.Apple(?:Double|DB|Desktop)", r"\.Spotlight-V\d+",
    r"\.DocumentRevisions-V\d+", r"\.?Temporary ?Items", "Network Trash Folder",
    # Windows, Linux and its desktops, Android, Jupyter
    r"\$RECYCLE\.BIN", "System Volume Information", r"lost\+found", r"\.Trash(?:es|-[^/]*)?",
    r"\.thumbnails", r"\.(?:trashed|pending)-\d[^/]*", r"\.ipynb_checkpoints",
    # disks of a network: Synology, QNAP, NetApp, ZFS, Samba
    "@eaDir", "@tmp", "[@#.]recycle", "[#~.]snapshot", "@Recently-Snapshot", r"\.@__[^/]*",
    r"\.zfs",
)  # fmt: skip
_IS_LITTER = re.compile(rf"(?:^|/)(?:{'|'.join(_LITTER)})(?:/|$)", re.IGNORECASE)
_HIDDEN = re.compile(r"(?:^|/)\.")
_KIND = re.compile(r"\.[A-Za-z0-9]{1,10}$")
_SHOWN = 5


class Selection:
    """Takes photos, and counts what it leaves out.

    hidden: take hidden files, and those in hidden folders, too
    """

    def __init__(self, *, hidden: bool = False) -> None:
        self._hidden = hidden
        self._litter = 0
        self._others: Counter[str] = Counter()

    def is_litter(self, path: str) -> bool:
        """Say whether a file is a system's, or hidden, by its path or its URL."""
        at = Address.of(path)
        path = at.path if at.scheme == "file" else unquote(at.path)
        return bool(_IS_LITTER.search(path) or (not self._hidden and _HIDDEN.search(path)))

    def takes(self, path: str) -> bool:
        """Say whether a file is a photo by its name; count it if it is none."""
        if not path.lower().endswith(EXTENSIONS):
            if not self.is_litter(path):
                kind = _KIND.search(path.rpartition("/")[2])
                self._others[kind[0].lower() if kind else ""] += 1
            return False
        return self.keeps(path)

    def keeps(self, path: str) -> bool:
        """Say whether a photo is no litter; count it if it is."""
        is_litter = self.is_litter(path)
        self._litter += is_litter
        return not is_litter

    def notes(self) -> list[str]:
        """Say how much was left out, in a line for litter, and one for other files."""
        notes = []
        if self._litter:
            files = "1 file is" if self._litter == 1 else f"{self._litter:,} files are"
            notes.append(
                f"{files} left out: hidden, or left by a system (such as ._* or __MACOSX)."
            )
        if self._others:
            kinds = self._others.most_common(_SHOWN)
            shown = [f"{count:,} {kind or 'without an extension'}" for kind, count in kinds]
            if more := self._others.total() - sum(count for _, count in kinds):
                shown.append(f"{more:,} more")
            notes.append(f"Files beside the photos: {', '.join(shown)}.")
        return notes
