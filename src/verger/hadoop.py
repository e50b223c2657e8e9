"""PHOTOS on a file system of Hadoop's (hdfs://), which Spark alone reads here."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from verger.errors import VergerError

SCHEMES = ("hdfs",)


@dataclass(frozen=True, slots=True)
class HadoopFolder:
    """A folder that is listed and read by way of Java: its photos come as rows of Spark's.

    url: hdfs://host/folder or hdfs:///folder, without a slash at its end
    """

    url: str

    @classmethod
    def of(cls, url: str, error: type[VergerError]) -> HadoopFolder:
        """Take a URL as a user writes it. Raises `error` if it names no folder."""
        host, *names = url.rstrip("/").partition("://")[2].split("/")
        if "@" in host:  # what stands there may be a secret
            raise error("A user cannot be named in hdfs://.", hint="Set HADOOP_USER_NAME.")
        if not names or re.search(r"[\0-\x1f\x7f]", url) or {"", ".", ".."}.intersection(names):
            raise error(
                f"{url!r} names no folder.", hint="Write hdfs://host/folder, or hdfs:///folder."
            )
        return cls(url.rstrip("/"))

    def __str__(self) -> str:
        return self.url

    @property
    def reads_at_once(self) -> int:
        """How many photos are taken at once from the rows that have come."""
        return 8

    @property
    def scheme(self) -> str:
        """The scheme of the URL."""
        return self.url.partition("://")[0]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.url.rpartition("/")[2]

    def absolute(self) -> HadoopFolder:
        """Return itself: a URL is the same everywhere."""
        return self

    def read(self, path: str) -> bytes:
        """Refuse: only Spark reads here."""
        raise OSError(errno.ENOTSUP, "it is read by Spark alone", f"{self.url}/{path}")
