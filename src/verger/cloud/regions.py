"""Where a run may take place: in the EU, unless a user says otherwise."""

from __future__ import annotations

from verger.errors import RegionError

# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html. London
# (eu-west-2) and Zurich (eu-central-2) have a name of the EU's, and are not in it.
IN_THE_EU = {
    "eu-central-1": "Frankfurt",
    "eu-north-1": "Stockholm",
    "eu-south-1": "Milan",
    "eu-south-2": "Spain",
    "eu-west-1": "Ireland",
    "eu-west-3": "Paris",
}


def is_in_the_eu(region: str) -> bool:
    """Say whether a region of AWS lies in the European Union."""
    return region in IN_THE_EU


def check_region(region: str, what: str, *, outside_eu: bool) -> None:
    """Raise `RegionError` for what is outside of the EU, where nobody said that it may be."""
    if not outside_eu and not is_in_the_eu(region):
        raise RegionError(
            f"{what} is in {region}, which is not in the EU.",
            hint=f"The EU regions are {', '.join(sorted(IN_THE_EU))}. --outside-eu allows others.",
        )
