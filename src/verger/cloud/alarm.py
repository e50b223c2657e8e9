"""The budget alarm of a job: AWS Budgets, which only warns. A job goes on without it.

AWS counts costs some hours late, and by tag only once `verger:job` is an active cost allocation tag
(Billing, Cost allocation tags; once an account). What stops a job in time is its wall clock.
"""

from __future__ import annotations

from typing import Any

from verger.cloud.aws import Aws, absent, told
from verger.cloud.stack import TAG
from verger.errors import CloudError
from verger.progress import Reporter

_AT = (50, 100)  # per cent of the budget


def request(job: str, account: str, *, budget_usd: float, email: str) -> dict[str, Any]:
    """Return the request that makes the alarm; without an address AWS only shows it."""
    notifications = [
        {
            "Notification": {
                "NotificationType": "ACTUAL",
                "ComparisonOperator": "GREATER_THAN",
                "Threshold": share,
                "ThresholdType": "PERCENTAGE",
            },
            "Subscribers": [{"SubscriptionType": "EMAIL", "Address": email}],
        }
        for share in _AT
    ]
    return {
        "AccountId": account,
        "Budget": {
            "BudgetName": job,
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": f"{max(budget_usd, 0.01):.2f}", "Unit": "USD"},
            "CostFilters": {"TagKeyValue": [f"user:{TAG}${job}"]},
        },
        "NotificationsWithSubscribers": notifications if email else [],
        "ResourceTags": [{"Key": TAG, "Value": job}],
    }


def create(aws: Aws, job: str, reporter: Reporter, *, budget_usd: float, email: str) -> None:
    """Set the alarm; where AWS refuses, say so.

    An account of an organisation may be kept from budgets, and a new account has none for a day.
    """
    try:
        with told("set the budget alarm"), absent("DuplicateRecordException"):
            aws.client("budgets").create_budget(
                **request(job, aws.account, budget_usd=budget_usd, email=email)
            )
    except CloudError as error:
        reporter.say(f"{error.what} The job goes on without it: its time limit ends it.")


def delete(aws: Aws, job: str) -> None:
    """Delete the alarm. Who may not make one has none to delete."""
    with told("delete the budget alarm"), absent("NotFoundException", "AccessDeniedException"):
        aws.client("budgets").delete_budget(AccountId=aws.account, BudgetName=job)


def is_there(aws: Aws, job: str) -> bool:
    """Say whether there is one; of who may not look, no."""
    with told("look at the budget alarm"), absent("NotFoundException", "AccessDeniedException"):
        aws.client("budgets").describe_budget(AccountId=aws.account, BudgetName=job)
        return True
    return False
