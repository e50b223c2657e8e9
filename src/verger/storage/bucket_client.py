"""The clients of a bucket, opened from what the environment says of its provider.

Credentials come from where the provider's own tools take them: the environment, a profile, the role
of the machine. None is printed, and none is sent to workers but in the way that Spark itself does.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import quote

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
)
from obstore.store import ObjectStore, from_url

from verger.errors import VergerError
from verger.photos.address import Address
from verger.storage import limits
from verger.storage.bucket_errors import (
    as_obstore_has_it,
    breaks_off,
    code_of,
    is_denied,
    is_set,
    meaning,
    remedy,
)
from verger.storage.retry import repeated
from verger.texts.command import say

_T = TypeVar("_T")

_BACKOFF = {
    "init_backoff": timedelta(seconds=limits.FIRST_PAUSE),
    "max_backoff": timedelta(seconds=limits.LONGEST_PAUSE),
    "base": 2.0,
}
_CLIENT = {
    "timeout": timedelta(seconds=limits.BUCKET_TIMEOUT),
    "connect_timeout": timedelta(seconds=limits.BUCKET_CONNECT_TIMEOUT),
}


# The SDK renews credentials ten minutes before they expire, at the latest: what was asked of it a
# moment ago is good for this long, and it is asked again.
_FRESH = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Client:
    """A prefix of a bucket. What fails for one object raises OSError, all else `error`.

    url:      scheme://bucket/prefix, without a slash at its end
    error:    the error to raise where the whole place cannot be used
    settings: what the environment says of the provider; hidden, for it may hold a secret
    """

    url: str
    error: type[VergerError]
    settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.url

    @property
    def scheme(self) -> str:
        """The scheme of the URL."""
        return Address.of(self.url).scheme

    @property
    def store(self) -> ObjectStore:
        """The client itself, opened once a process."""
        return _open(self.url, self.settings)

    def plain(self) -> tuple[Any, str, str]:
        """Return a client that takes keys as they are, the bucket, and what its keys begin with.

        There are keys that obstore has no notation for, and boto3 has.
        """
        return _plain_client(self.url, self.settings)

    def again(self, action: Callable[[], _T]) -> _T:
        """Do again what the client does not: what is sent by POST, and answers that break off.

        Each action given may be done twice.
        """
        attempts = attempts_of(dict(self.settings))
        return repeated(action, breaks_off, attempts, limits.BUCKET_PATIENCE)

    def delete_if(self, path: str, version: str) -> None:
        """Delete an object if it is still the one with this ETag; raises PreconditionError if not.

        boto3 has a notation for this, obstore has none. One that is gone is none to delete.
        """
        client, bucket, base = self.plain()
        with as_obstore_has_it():
            client.delete_object(Bucket=bucket, Key=base + path, IfMatch=version)

    @contextmanager
    def told(self, path: str) -> Iterator[None]:
        """Turn what the client raises into OSError for one object, or into the place's error."""
        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except FileNotFoundError as error:
            if code_of(error) == "NoSuchBucket":
                raise self._unusable("there is no such bucket", error) from None
            raise FileNotFoundError(errno.ENOENT, "no such object", f"{self.url}/{path}") from None
        except PermissionDeniedError as error:
            if is_denied(error):
                where = f"{self.url}/{path}"
                raise PermissionError(errno.EACCES, "access denied", where) from None
            raise self._unusable(meaning(error), error) from None
        except (InvalidPathError, ValueError):
            raise OSError(errno.EINVAL, "a key that cannot be requested", path) from None
        except BaseError as error:
            raise self._unusable(meaning(error), error) from None

    def _unusable(self, what: str, error: Exception) -> VergerError:
        hint = remedy(code_of(error), self.scheme, dict(self.settings))
        return self.error(f"{self.url}{say(': ')}{say(what)}.", hint=hint)


@cache
def _plain_client(url: str, settings: tuple[tuple[str, str], ...]) -> tuple[Any, str, str]:
    """Return a client that takes keys as they are, the bucket, and what its keys begin with."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    given, at = dict(settings), Address.of(url)
    endpoint = given.get("AWS_ENDPOINT_URL")
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts_of(given)},
        s3={"addressing_style": "path"} if endpoint else {},
        signature_version=UNSIGNED if is_set(given, "AWS_SKIP_SIGNATURE") else None,
    )
    with as_obstore_has_it():
        client = boto3.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
            aws_access_key_id=given.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=given.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=given.get("AWS_SESSION_TOKEN"),
            config=config,
        )
    return client, at.host, f"{at.path}/" if at.path else ""


def attempts_of(settings: Mapping[str, str]) -> int:
    """Return how often a request is tried: AWS's own variable for it, or what is usual here."""
    try:
        return max(int(settings["AWS_MAX_ATTEMPTS"]), 1)
    except (KeyError, ValueError):
        return limits.BUCKET_ATTEMPTS


@cache
def _open(url: str, settings: tuple[tuple[str, str], ...]) -> ObjectStore:
    """Open a store once a process."""
    given, at = dict(settings), Address.of(url)
    config = {key.lower(): given[key] for key in _CONFIG[at.scheme] if key in given}
    client = {
        **_CLIENT,
        "allow_http": any(Address.of(value).scheme == "http" for value in config.values()),
    }
    options: dict[str, Any] = {}
    if at.scheme == "s3" and _has_no_keys(given):
        options["credential_provider"] = _OfTheSdk()
    retry = {
        "max_retries": attempts_of(given) - 1,
        "retry_timeout": timedelta(seconds=limits.BUCKET_PATIENCE),
        "backoff": _BACKOFF,
    }
    options |= {"client_options": client, "retry_config": retry}
    # A key is meant as it is written: `%20` is three characters of it.
    quoted = f"{at.scheme}://{quote(at.rest)}"
    return cast(ObjectStore, cast(Any, from_url)(quoted, config=config, **options))


# What obstore is told, for a worker on another machine has not the environment that this one has.
_CONFIG = {
    "s3": (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION",
        "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SKIP_SIGNATURE",
    ),
    "gs": (
        "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_BEARER_TOKEN", "GOOGLE_BASE_URL", "GOOGLE_SKIP_SIGNATURE",
    ),
    "az": (
        "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_TOKEN", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID",
        "AZURE_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_STORAGE_ENDPOINT",
        "AZURE_STORAGE_USE_EMULATOR", "AZURE_SKIP_SIGNATURE",
    ),
}  # fmt: skip


def _has_no_keys(settings: Mapping[str, str]) -> bool:
    """Say whether credentials are wanted, and do not stand in the environment itself."""
    return "AWS_ACCESS_KEY_ID" not in settings and not is_set(settings, "AWS_SKIP_SIGNATURE")


class _OfTheSdk:
    """Gives credentials as the SDK of AWS finds them, and renews them in time.

    A profile, a container's endpoint (with a token or without, which obstore does not ask), a web
    identity, the role of the machine: each process asks on the machine that it runs on, once it
    needs them.
    """

    def __init__(self) -> None:
        import boto3

        with as_obstore_has_it():
            self._session = boto3.Session()
        region = self._session.region_name
        self.config = {"region": region} if region else {}  # which obstore takes from here
        self._lock = threading.Lock()
        self._credentials: Any = None

    def __call__(self) -> dict[str, Any]:
        """Return what obstore signs with, good for some minutes."""
        with self._lock, as_obstore_has_it():
            self._credentials = self._credentials or self._session.get_credentials()
            if self._credentials is None:
                raise GenericError("<Code>NoCredentials</Code>")
            found = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": found.access_key,
            "secret_access_key": found.secret_key,
            "token": found.token,
            "expires_at": datetime.now(UTC) + _FRESH,
        }
