"""Where photos lie, taken apart in one place: a path of this machine, or a URL.

Nothing is checked here and nothing decoded: what a bucket or a server may be called is theirs.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

WEB = ("http", "https")


class Address(NamedTuple):
    """A path or a URL, in parts.

    scheme: `file` of a path and of file://; `s3` for s3a and s3n, Hadoop's names, too
    host:   the bucket, or the server with its port; none of a file
    path:   of a file its path; else what follows the host and its slash, such as the key
    query:  what follows the `?` of a web server's URL; elsewhere that is a letter like others
    """

    scheme: str
    host: str
    path: str
    query: str = ""

    @classmethod
    def of(cls, where: str | Path) -> Address:
        """Take apart what a user wrote, or what a listing gave."""
        if isinstance(where, Path) or "://" not in where:
            return cls("file", "", str(where))
        scheme, _, rest = where.partition("://")
        if scheme == "file":
            return cls("file", "", "/" + rest.lstrip("/"))
        query = ""
        if scheme in WEB:
            rest, _, query = rest.partition("?")
        host, _, path = rest.partition("/")
        return cls("s3" if scheme in ("s3a", "s3n") else scheme, host, path, query)

    @property
    def file(self) -> Path | None:
        """The path of this machine; None elsewhere."""
        return Path(self.path) if self.scheme == "file" else None

    @property
    def rest(self) -> str:
        """Host and path, as they stand after the scheme."""
        return f"{self.host}/{self.path}" if self.host and self.path else self.host or self.path

    @property
    def name(self) -> str:
        """The last part of the path, or else the host."""
        return self.rest.rstrip("/").rpartition("/")[2]


def without_query(url: str) -> str:
    """Return a web server's URL without its query, in which a signature may stand."""
    return url.partition("?")[0]
