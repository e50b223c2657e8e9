"""What goes wrong with a bucket: what its clients say, and what a user is told of it.

The clients' texts are matched here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from obstore.exceptions import GenericError, PermissionDeniedError, PreconditionError

MEANING = {
    "NoSuchBucket": "there is no such bucket",
    "NoCredentials": "no credentials were found",
    "AccessDenied": "access denied",
    "InvalidAccessKeyId": "the access key is not known",
    "SignatureDoesNotMatch": "the secret key does not match the access key",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the session token is not valid",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
    "IllegalLocationConstraintException": "the bucket is in another region",
    "SlowDown": "the store keeps asking for fewer requests",
    "ContainerNotFound": "there is no such container",
    "NoAccount": "no storage account was named",
    "NoKeyFile": "the file with the service account's key cannot be read",
    "AuthenticationFailed": "the credentials were refused",
    "AuthorizationFailure": "the credentials were refused",
    "AuthorizationPermissionMismatch": "access denied",
}
# What obstore puts before the words of who gives it credentials.
_GIVER = "External AWS credential provider: GenericError: "
_OF_ONE_OBJECT = ("AccessDenied", "AuthorizationPermissionMismatch", "SlowDown")
_REMEDY = {
    "NoSuchBucket": "Check its name.",
    "ContainerNotFound": "Check its name.",
    "NoAccount": "Set AZURE_STORAGE_ACCOUNT_NAME.",
    "NoKeyFile": "Check GOOGLE_APPLICATION_CREDENTIALS.",
    "PermanentRedirect": "Set AWS_REGION to its region.",
    "AuthorizationHeaderMalformed": "Set AWS_REGION to its region.",
    "IllegalLocationConstraintException": "Set AWS_REGION to its region.",
}
_CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; "
    "AWS_SKIP_SIGNATURE=true for a public bucket.",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS; GOOGLE_SKIP_SIGNATURE=true for a public bucket.",
    "az": "Set AZURE_STORAGE_ACCOUNT_KEY or another credential; "
    "AZURE_SKIP_SIGNATURE=true for a public container.",
}


def code_of(error: Exception) -> str:
    """Find the provider's own word for what is wrong, or ours where it has none."""
    text = str(error)
    if "Account must be specified" in text:
        return "NoAccount"
    if "service account file" in text:
        return "NoKeyFile"
    if "Received redirect" in text or "301 Moved" in text:
        return "PermanentRedirect"
    if "169.254.169.254" in text:  # where a machine asks for its role, when all else has failed
        return "NoCredentials"
    found = re.search(r"<Code>(\w+)</Code>|\(code: (\w+)\)", text)
    return next((code for code in found.groups() if code), "") if found else ""


_PERMISSIONS = {
    "s3": "s3:ListBucket, GetObject, PutObject, DeleteObject",
    "gs": "storage.objects.list, storage.objects.get",
    "az": "the role Storage Blob Data Reader has them",
}
_ANONYMOUS = {
    "s3": "AWS_SKIP_SIGNATURE", "gs": "GOOGLE_SKIP_SIGNATURE", "az": "AZURE_SKIP_SIGNATURE",
}  # fmt: skip


def remedy(code: str, scheme: str, settings: Mapping[str, str]) -> str:
    """Say what to do about a code."""
    if code == "NoCredentials":
        return _CREDENTIALS[scheme]
    if code in ("AccessDenied", "AuthorizationPermissionMismatch"):
        if is_set(settings, name := _ANONYMOUS[scheme]):
            return f"{name} is set, so no credentials were sent, but they are needed here."
        return f"The credentials lack a permission here ({_PERMISSIONS[scheme]})."
    if code in _REMEDY:
        return _REMEDY[code]
    if code in MEANING and code != "SlowDown":
        return "Renew the credentials, and run again: what is finished is kept."
    return "Run again when it answers: what is finished is kept."


def meaning(error: Exception) -> str:
    """Say in a few words what is wrong; what the client prints goes on for a page."""
    if code := code_of(error):
        return MEANING.get(code, code)
    text = str(error).split("\n")[0]
    text = text.rpartition(_GIVER)[2]
    if "error sending request" in text or "response body error" in text:
        return "the endpoint does not answer"
    return re.sub(r"https?://\S+", "…", text)[:200]


def is_denied(error: Exception) -> bool:
    """Say whether one object may not be read, as opposed to credentials wrong for everything."""
    return isinstance(error, PermissionDeniedError) and code_of(error) in ("", "AccessDenied")


def is_of_the_place(error: Exception) -> bool:
    """Say whether it befalls every object alike: credentials, a bucket, its region."""
    code = code_of(error)
    return code in MEANING and code not in _OF_ONE_OBJECT


def breaks_off(error: Exception) -> bool:
    """Say whether an answer broke off, which the client does not ask for again by itself.

    Errors already retried to the limit do not count; an answer that breaks off after a retried
    reset does.
    """
    said = str(error).partition("\n")[0]
    to_the_limit = re.search(r"after (\d+) retries, max_retries: \1\b", said)
    return isinstance(error, GenericError) and "HTTP error" in said and not to_the_limit


def is_set(settings: Mapping[str, str], name: str) -> bool:
    """Say whether a variable of the environment says yes."""
    return settings.get(name, "").lower() in ("1", "true", "yes", "on")


@contextmanager
def as_obstore_has_it() -> Iterator[None]:
    """Raise boto3's errors as obstore raises its own."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        code = error.response["Error"]["Code"]
        kinds: dict[str, type[Exception]] = {
            "NoSuchKey": FileNotFoundError,
            "AccessDenied": PermissionDeniedError,
            "PreconditionFailed": PreconditionError,
            "ConditionalRequestConflict": PreconditionError,
        }
        raise kinds.get(code, GenericError)(f"<Code>{code}</Code>") from None
    except boto.NoCredentialsError:
        raise GenericError("<Code>NoCredentials</Code>") from None
    except (boto.ConnectionError, boto.HTTPClientError):
        raise GenericError("error sending request") from None
    except boto.BotoCoreError as error:
        raise GenericError(str(error).rstrip(".")) from None
