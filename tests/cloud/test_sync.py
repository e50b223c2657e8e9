"""Photos of this machine on their way to S3, into a bucket that moto pretends."""

from __future__ import annotations

from pathlib import Path

import pytest

from verger.cloud.aws import Aws
from verger.cloud.sync import upload
from verger.errors import CloudError, PhotosError
from verger.photos.references import STORE_MARK

from .pretended import REGION, Account, Said

TO = "s3://orchard/fruit/photos"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos, a file that is none, and a STORE with a thumbnail within."""
    folder = tmp_path / "my photos"
    for name in ("apple/1.jpg", "apple/é 2.JPG", "pear/3.png", "notes.txt", "store/4.jpg"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    (folder / "store" / STORE_MARK).mkdir()
    return folder


def sent(account: Account) -> dict[str, int]:
    found = account.client("s3").list_objects_v2(Bucket="orchard")
    return {each["Key"]: each["Size"] for each in found.get("Contents", [])}


def test_photos_are_sent_by_their_paths_and_only_once(
    account: Account, photos: Path, said: Said
) -> None:
    aws = Aws(REGION)
    assert upload(aws, str(photos), TO, said) == 3
    names = ("apple/1.jpg", "apple/é 2.JPG", "pear/3.png")
    assert sent(account) == {f"fruit/photos/{name}": len(name.encode()) for name in names}

    (photos / "pear/3.png").write_bytes(b"another size")
    assert upload(aws, str(photos), TO, said) == 1
    assert upload(aws, str(photos), TO, said) == 0


def test_a_photo_that_cannot_be_read_is_named(account: Account, photos: Path, said: Said) -> None:
    (photos / "gone.jpg").symlink_to(photos / "nowhere")

    with pytest.raises(PhotosError, match=r"gone\.jpg cannot be read: No such file"):
        upload(Aws(REGION), str(photos), TO, said)

    assert sent(account) == {}


def test_a_bucket_that_is_not_there_is_one_line(account: Account, photos: Path, said: Said) -> None:
    with pytest.raises(CloudError, match="Cannot list s3://elsewhere-x/photos/"):
        upload(Aws(REGION), str(photos), "s3://elsewhere-x/photos", said)


def test_what_a_run_would_embed_is_sent_linked_folders_with_it(
    account: Account, photos: Path, said: Said
) -> None:
    (photos.parent / "elsewhere").mkdir()
    (photos.parent / "elsewhere" / "5.jpg").write_bytes(b"far away")
    (photos / "link").symlink_to(photos.parent / "elsewhere")
    assert upload(Aws(REGION), str(photos), TO, said) == 4
    assert sent(account)["fruit/photos/link/5.jpg"] == 8


def test_no_folder_is_left_out_in_silence(account: Account, photos: Path, said: Said) -> None:
    (photos / "loop").mkdir()
    (photos / "loop" / "x.jpg").symlink_to("x.jpg")
    with pytest.raises(PhotosError, match=r"loop/x\.jpg cannot be read: "):
        upload(Aws(REGION), str(photos), TO, said)
    with pytest.raises(PhotosError, match="No such folder"):
        upload(Aws(REGION), str(photos / "none"), TO, said)
    assert sent(account) == {}
