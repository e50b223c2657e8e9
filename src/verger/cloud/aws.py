"""The clients of one region of an account; what AWS answers becomes an error of one line."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from verger.errors import CloudError, NetworkError, SignInError
from verger.machine.extras import need

# Codes of the services that mean: these credentials are none, or no longer.
_SIGNED_OUT = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
# What the SDK has asked again in vain: AWS wants fewer requests for a while, or is ill.
_LATER = frozenset(
    {
        "InternalFailure",
        "InternalServerException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
_SIGN_IN = "Sign in (aws sso login, aws login or aws configure) and run the command again."


class Aws:
    """One region of the account that this machine is signed in to.

    One that is asked quickly is for what may do without the answer: it does not wait for a network.
    Raises `UsageError` where the client of AWS is not installed.
    """

    def __init__(self, region: str, *, quick: bool = False) -> None:
        need("aws", "verger cloud")
        self.region = region
        self._quick = quick

    @functools.cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.Session(region_name=self.region)

    @functools.cache  # noqa: B019 - lives as long as one command
    def client(self, service: str) -> Any:
        """Return the client of one service, such as `ec2`.

        Raises `SignInError` where nobody is signed in, or the profile named does not exist.
        """
        from botocore.config import Config

        # A call that hangs must not hold up what ends a job.
        wait, attempts = (3, 2) if self._quick else (10, 4)
        config = Config(
            connect_timeout=wait, read_timeout=3 * wait, retries={"total_max_attempts": attempts}
        )
        with told(f"open {service}"):
            return self._session.client(service, config=config)

    def all_of(self, service: str, operation: str, path: str, **asked: Any) -> list[Any]:
        """Return what all pages of an answer hold together at `path`, a JMESPath."""
        return list(self.client(service).get_paginator(operation).paginate(**asked).search(path))

    @functools.cached_property
    def account(self) -> str:
        """The number of the account, which its scratch buckets carry in their names."""
        with told("ask who is signed in"):
            return str(self.client("sts").get_caller_identity()["Account"])


def code_of(error: Exception) -> str:
    """Return the code of what a service answered; empty if it answered nothing."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


@contextmanager
def absent(*codes: str) -> Iterator[None]:
    """Leave the block where AWS answers with one of these codes: there is no such thing."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if code_of(error) not in codes:
            raise


@contextmanager
def told(what: str) -> Iterator[None]:
    """Raise what goes wrong with AWS as an error of one line; `what` follows "Cannot".

    `SignInError` says that nobody is signed in, or not any more; `NetworkError` that AWS did not
    answer; `CloudError` that it refused or failed.
    """
    from botocore import exceptions as boto

    try:
        yield
    except (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.ProfileNotFound,
        boto.CredentialRetrievalError,
        boto.TokenRetrievalError,
        boto.SSOError,
        getattr(boto, "LoginError", boto.SSOError),  # botocore of before knows none
    ) as error:
        raise SignInError(f"Cannot {what}: {error}", hint=_SIGN_IN) from error
    except boto.MissingDependencyException as error:  # of `aws login`, whose keys need a library
        raise SignInError(
            f"Cannot {what}: this Python cannot read a profile that was signed in by aws login.",
            hint="Give it a profile whose credential_process is aws configure export-credentials "
            "(docs/howto/aws-first-hour.md, step 2).",
        ) from error
    except boto.NoRegionError as error:
        raise CloudError(f"Cannot {what}: {error}", hint="Give --region.") from error
    except (boto.HTTPClientError, boto.ConnectionError) as error:
        raise NetworkError(
            f"Cannot {what}: AWS cannot be reached ({error})",
            hint="Check the network and --region.",
        ) from error
    except boto.ClientError as error:
        code = code_of(error)
        message = error.response.get("Error", {}).get("Message", "") or code
        if code in _SIGNED_OUT:
            raise SignInError(f"Cannot {what}: {message}", hint=_SIGN_IN) from error
        if code in _LATER:
            raise NetworkError(
                f"Cannot {what}: AWS is throttling requests ({code})",
                hint="Run the command again in a minute.",
            ) from error
        if code in _DENIED:
            raise CloudError(
                f"Cannot {what}: not permitted ({error.operation_name}: {message})",
                hint="The account needs to grant this; docs/howto/aws.md lists what is needed.",
            ) from error
        raise CloudError(f"Cannot {what}: {message}") from error
    except boto.BotoCoreError as error:
        raise CloudError(f"Cannot {what}: {error}") from error
