"""Which files are photos by their names, and what is told of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from names import HIDDEN, SYSTEMS
from verger.photos.labels import labeller_from
from verger.photos.selection import Selection
from verger.storage.folder import LocalPlace

PHOTOS = [
    "Plum/1.jpg", "_1.jpg", "Plum.d/1.jpeg", "a.b/@e/1.jpg", "MACOSX/1.jpg", "Trash/1.jpg",
    "recycle/1.jpg", "snapshot/1.jpg", "Lost and found/1.jpg", "Items/1.jpg", "Apple/1.jpg",
    "tmp/1.jpg", "#1 plum/1.jpg", "Plum/lost+found.jpg", "Plum/@Recycle 2.jpg", "zfs/1.jpg",
]  # fmt: skip


@pytest.mark.parametrize("hidden", [False, True])
def test_what_systems_leave_is_no_photo_and_what_is_hidden_is_one_if_asked_for(
    tmp_path: Path, hidden: bool
) -> None:
    for path in [*SYSTEMS, *HIDDEN, *PHOTOS]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"photo")
    selection = Selection(hidden=hidden)
    listed = LocalPlace(tmp_path).list(labeller_from("parent", "top"), selection=selection)
    assert [ref.path for ref in listed] == sorted([*PHOTOS, *(HIDDEN if hidden else [])])
    left_out = len(SYSTEMS) + (0 if hidden else len(HIDDEN))
    (note,) = selection.notes()
    assert note.startswith(f"{left_out} files are left out: ")


def test_litter_that_cannot_be_listed_is_nobody_s_loss(tmp_path: Path) -> None:
    (tmp_path / ".Trash-0").symlink_to(".Trash-0")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._1.jpg").symlink_to("gone")
    selection = Selection()
    assert list(LocalPlace(tmp_path).list(labeller_from("none", ""), selection=selection)) == []
    assert len(selection.notes()) == 1


def test_a_hidden_folder_may_be_photos_itself(tmp_path: Path) -> None:
    folder = tmp_path / ".photos" / "Plum"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"photo")
    assert len(list(LocalPlace(folder.parent).list(labeller_from("none", "")))) == 1


def test_the_commonest_kinds_beside_photos_are_named() -> None:
    selection = Selection()
    names = [
        "a.JSON",
        "b.json",
        "c.txt",
        "d.csv",
        "e.md",
        "f.xml",
        "g.cfg",
        "README",
        "x.0123456789a",
    ]
    assert not any(selection.takes(name) for name in names)
    assert selection.notes() == [
        "Files beside the photos: 2 .json, 2 without an extension, 1 .txt, 1 .csv, 1 .md, 2 more."
    ]
    assert Selection().notes() == []


@pytest.mark.parametrize(
    "url",
    [
        "https://host/.well-known/1.jpg",
        "https://host/__MACOSX/1?x=1",
        "https://host/Temporary%20Items/1.jpg",
    ],
)
def test_a_url_is_litter_by_its_path(url: str) -> None:
    assert Selection().is_litter(url)
    assert not Selection().is_litter("https://.host/a/1.jpg?next=/.b/._2.jpg")
