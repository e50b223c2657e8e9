"""Photos of this machine go to a folder in S3: those that are not there yet, many at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from verger.cloud.aws import Aws, told
from verger.cloud.parameters import s3_folder
from verger.errors import PhotosError
from verger.photos.references import EXTENSIONS, STORE_MARK
from verger.progress import Reporter

_AT_ONCE = 16


def is_local(photos: str) -> bool:
    """Whether PHOTOS is a folder of this machine."""
    return "://" not in photos or photos.startswith("file://")


def refuse_local(photos: str) -> None:
    """Refuse photos of this machine, and say how they get to S3.

    Raises:
        PhotosError: always, for a folder of this machine.

    """
    if is_local(photos):
        raise PhotosError(
            f"{photos}: what runs on AWS cannot read a folder of this machine.",
            hint="Say --upload s3://BUCKET/photos and it is sent there first; or send it yourself: "
            f"aws s3 sync {photos} s3://BUCKET/photos",
        )


def upload(aws: Aws, photos: str, to: str, reporter: Reporter) -> int:
    """Send the photos of a folder to S3, but for those there of the same size; return how many.

    Raises:
        PhotosError: no such folder, or no photo in it; or `to` is no folder in S3.

    """
    folder = Path(photos.removeprefix("file://"))
    if not folder.is_dir():
        raise PhotosError(f"{photos}: no such folder.")
    bucket, prefix = s3_folder(to, PhotosError)
    files = {prefix + file.relative_to(folder).as_posix(): file for file in _photos(folder)}
    if not files:
        raise PhotosError(f"{photos}: no photo in it.")
    there = _sizes(aws, bucket, prefix)
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


def _photos(folder: Path) -> Iterator[Path]:
    for parent, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not (Path(parent, name) / STORE_MARK).exists())
        for name in sorted(files):
            if name.lower().endswith(EXTENSIONS):
                yield Path(parent, name)


@contextmanager
def _reading() -> Iterator[None]:
    """Say of a file that cannot be read which it is: nothing is left out silently."""
    try:
        yield
    except OSError as error:
        raise PhotosError(
            f"{error.filename}: cannot be read: {error.strerror}.",
            hint="Take it out of the folder, or make it readable; what was sent is not sent again.",
        ) from None


def _sizes(aws: Aws, bucket: str, prefix: str) -> dict[str, int]:
    with told(f"list s3://{bucket}/{prefix}"):
        pages: Any = aws.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=bucket, Prefix=prefix)
        return {each["Key"]: each["Size"] for page in found for each in page.get("Contents", [])}
