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
