"""Photos of this machine go to a folder in S3: those that are not there yet, many at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from verger.cloud.aws import Aws, told
from verger.cloud.parameters import s3_folder
from verger.errors import PhotosError
from verger.photos.address import Address
from verger.photos.labels import labeller_from
from verger.photos.reasons import Reason
from verger.progress import Reporter
from verger.storage.folder import LocalPlace

_AT_ONCE = 16
_TAKE_OUT = "Take it out of the folder, or make it readable; what was sent is not sent again."


def is_local(photos: str) -> bool:
    """Whether PHOTOS is a folder of this machine."""
    return Address.of(photos).file is not None


def refuse_local(photos: str) -> None:
    """Raise `PhotosError` for photos of this machine, and say how they get to S3."""
    if is_local(photos):
        raise PhotosError(
            f"{photos}: a run on AWS cannot read a local folder.",
            hint="Add --upload s3://BUCKET/photos to send it there first, or send it yourself: "
            f"aws s3 sync {photos} s3://BUCKET/photos",
        )


def upload(aws: Aws, photos: str, to: str, reporter: Reporter) -> int:
    """Send the photos of a folder to S3, but for those there of the same size; return how many.

    Raises `PhotosError` for no such folder or no photo in it, or where `to` is no folder in S3.
    """
    folder = Path(Address.of(photos).path)
    bucket, prefix = s3_folder(to, PhotosError)
    files = {prefix + path: folder / path for path in _photos(folder)}
    if not files:
        raise PhotosError(f"{photos}: no photo in it.")
    with told(f"list s3://{bucket}/{prefix}"):
        asked = {"Bucket": bucket, "Prefix": prefix}
        found = aws.all_of("s3", "list_objects_v2", "Contents || `[]`", **asked)
        there = {each["Key"]: each["Size"] for each in found}
    with _reading():
        missing = {
            key: file for key, file in files.items() if there.get(key) != file.stat().st_size
        }
    client = aws.client("s3")
    with (
        told(f"send photos to {to}"),
        reporter.stage("Sending", len(missing), "photos") as stage,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):

        def send(each: tuple[str, Path]) -> None:
            with _reading():
                body = each[1].read_bytes()
            client.put_object(Bucket=bucket, Key=each[0], Body=body)

        for done, _ in enumerate(pool.map(send, missing.items()), 1):
            stage.update(done)
    return len(missing)


def _photos(folder: Path) -> Iterator[str]:
    """Name what a run on the folder would embed; nothing that cannot be read is left out."""
    for ref in LocalPlace(folder).list(labeller_from("none", "")):
        if ref.reason not in (None, Reason.EMPTY):
            raise PhotosError(f"{folder / ref.path} cannot be read: {ref.detail}.", hint=_TAKE_OUT)
        yield ref.path


@contextmanager
def _reading() -> Iterator[None]:
    """Say of a file that cannot be read which it is: nothing is left out silently."""
    try:
        yield
    except OSError as error:
        raise PhotosError(
            f"{error.filename} cannot be read: {error.strerror}.",
            hint=_TAKE_OUT,
        ) from None
