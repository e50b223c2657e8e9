"""`verger cloud check` and `policy`: what an account of AWS allows, and what it has to."""

from __future__ import annotations

import dataclasses
import json

import click

from verger.cli.cloud_options import OUTSIDE_EU, REGION, ROLE_PREFIX
from verger.errors import FAIL, CloudError, UsageError
from verger.progress import check_line, show, tell


@click.command("check")
@click.argument("photos", required=False)
@click.argument("store", required=False)
@REGION
@OUTSIDE_EU
@ROLE_PREFIX
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON on stdout.")
def check_command(
    photos: str | None,
    store: str | None,
    region: str,
    outside_eu: bool,
    role_prefix: str,
    as_json: bool,
) -> int:
    """Check what AWS would refuse; this makes nothing and costs nothing.

    Looks at who is signed in, the region, the account's plan, quotas, zones, budgets, the buckets
    of PHOTOS and STORE, and each permission. Exits with 0, or with 9 if a check failed.
    """
    from verger.cloud.aws import Aws
    from verger.cloud.check import examine
    from verger.cloud.parameters import check_role_prefix

    check_role_prefix(role_prefix)
    checks = []
    found = examine(Aws(region), photos, store, outside_eu=outside_eu, role_prefix=role_prefix)
    for check in found:
        checks.append(check)
        if not as_json:
            tell(check_line(check), as_it_is=True)
    if as_json:
        show(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
    return CloudError.exit_code if any(check.state == FAIL for check in checks) else 0


@click.command("policy")
@click.argument("buckets", nargs=-1, required=True, metavar="BUCKET...")
@click.option(
    "--part",
    type=click.IntRange(1),
    metavar="N",
    help="Which policy to print, when the buckets need several.",
)
@ROLE_PREFIX
@REGION
def policy_command(
    buckets: tuple[str, ...], part: int | None, role_prefix: str, region: str
) -> None:
    """Print the IAM policy for a user who runs Verger on AWS with these buckets.

    AWS allows 6,144 characters in a policy, enough for about four buckets. With more, this says how
    many policies they need.
    """
    from verger.cloud.parameters import check_role_prefix
    from verger.cloud.policy import LONGEST, user_policies

    check_role_prefix(role_prefix)
    parts = user_policies(list(buckets), region, role_prefix)
    if not 0 < (part or len(parts)) <= len(parts) or (part is None and len(parts) > 1):
        raise UsageError(
            f"These {len(buckets)} buckets take {len(parts)} policies of {LONGEST:,} characters.",
            hint=f"Print one after the other, --part 1 to {len(parts)}, and attach all.",
        )
    show(json.dumps(parts[(part or 1) - 1], indent=2))


COMMANDS = (check_command, policy_command)
