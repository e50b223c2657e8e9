"""Names of photos that both a disk and an object store take, and that much else trips over."""

from __future__ import annotations

import unicodedata

NFC, NFD = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
ODD = [
    "a b.jpg", " led.jpg", "a+b.jpg", "a%20b.jpg", "100%.jpg", "%2F.jpg", f"{NFC}.jpg",
    f"{NFD}.jpg", "桃🍑.jpg", "\uff5e.jpg", "a#b?c&d.jpg", "it's.jpg", 'say "a".jpg', "*.jpg",
    "[a]{b}.jpg", "a:b.jpg", "s3:x.jpg", "~.jpg", ".hidden.jpg", "-rf.jpg",
    "a=b;c,d@e!$(f).jpg", "<&>.jpg",
]  # fmt: skip
# What systems leave beside photos, and what is hidden.
SYSTEMS = [
    "__MACOSX/Plum/._1.jpg", "Plum/._1.jpg", "._1.jpg", "Plum/.ipynb_checkpoints/1-checkpoint.jpg",
    "Plum/@eaDir/1.jpg/SYNOFILE_THUMB_M.jpg", "Plum/.thumbnails/1.jpg", ".Trash-1000/files/1.jpg",
    "$RECYCLE.BIN/S-1-5/1.jpg", "#recycle/1.jpg", "System Volume Information/1.jpg",
    "__macosx/1.jpg", "Plum/.AppleDouble/1.jpg", "Network Trash Folder/1.jpg",
    "Temporary Items/folders.501/1.jpg", ".TemporaryItems/1.jpg", ".Spotlight-V100/1.jpg",
    ".DocumentRevisions-V100/1/1.jpg", "lost+found/1.jpg", ".Trashes/501/1.jpg",
    "Plum/.trashed-1700000000-1.jpg", "@Recycle/1.jpg", "Plum/.recycle/1.jpg", "Plum/@tmp/1.jpg",
    "#snapshot/GMT-2026.11.28/Plum/1.jpg", "~snapshot/nightly.0/Plum/1.jpg",
    ".zfs/snapshot/a/Plum/1.jpg", "@Recently-Snapshot/1.jpg", "Plum/.@__thumb/s100_1.jpg",
]  # fmt: skip
HIDDEN = [".hidden.jpg", ".folder/1.jpg", "Plum/.cache/x/1.jpg", "..jpg"]
# Names that are kept byte for byte.
KEPT = [
    "pêche.jpg",
    "pe\u0302che.jpg",
    "桃.jpg",
    "🍑.jpg",
    "a b.jpg",
    " a.jpg",
    "100%.jpg",
    "%20.jpg",
    "a#b?c&d.jpg",
    "it's.jpg",
    'say "a".jpg',
    "two\nlines.jpg",
    "tab\t.jpg",
    "back\\slash.jpg",
    "a,b;c.jpg",
    "$HOME`x`.jpg",
    "*.jpg",
    "[a].jpg",
    "{a}.jpg",
    "-rf.jpg",
    "a:b.jpg",
]
# Labels that look the same: each is Pêche.
ALIKE = [
    "P\u00eache",
    "Pe\u0302che",
    " P\u00eache",
    "P\u00eache ",
    "P\u00eache\u00a0",
    "\u200bP\u00eache",
    "\ufeffPe\u0302che\u2009",
]
