"""`verger cloud notebook`: its life in an account that moto pretends, and when it is idle.

test_server_real.py runs the rest for real.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from verger.cli.main import cli
from verger.cloud import lab, life, machine, notebooks, ship, tunnel
from verger.cloud.aws import Aws
from verger.cloud.job import Job
from verger.cloud.objects import Objects
from verger.cloud.plan import Plan
from verger.cloud.prices import table_prices
from verger.errors import BudgetError, PhotosError, StoreError, UsageError, VergerError

from . import rules
from .policies import NAMES, allows, policy
from .pretended import ACCOUNT, RECORD, REGION, RESULT, Account

STORE = "s3://results/fruits/store"
OF_THE_RUN = {**RECORD, "photos": "s3://orchard/photos", "backbone": {"views": [224, 280]}}
Happens = list[Callable[[str], object]]


@pytest.fixture
def happens(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Happens:
    """What AWS does while the command sleeps, given the scratch bucket; after a run into STORE."""
    monkeypatch.setattr("verger.cloud.account.account_plan", lambda: "PAID")
    monkeypatch.setattr("verger.cloud.planning.live_prices", table_prices)
    monkeypatch.setattr(tunnel, "can_forward", lambda: False)
    wheel = tmp_path / "verger.whl"
    wheel.write_bytes(b"wheel")
    monkeypatch.setattr(ship, "artefacts", lambda *_: {"wheels/verger.whl": wheel})
    account.put("results", "fruits/store/run.json", OF_THE_RUN)
    for number in range(5):
        account.put("orchard", f"photos/pear/{number}.JPG", b"x" * 1_000_000)
    account.put("orchard", "photos/notes.txt", b"no photo")
    todo: Happens = []

    def sleep(seconds: float) -> None:
        account.pass_time(seconds)
        found = account.client("s3").list_buckets()["Buckets"]
        names = [one["Name"] for one in found if one["Name"].startswith("verger-2")]
        if todo and names:
            todo.pop(0)(names[0])

    defaults = life.Life.__init__.__defaults__ or ()
    monkeypatch.setattr(life.Life.__init__, "__defaults__", (sleep, *defaults[1:]))
    return todo


def say(*words: str) -> Result:
    line = ["cloud", "notebook", *words]
    return CliRunner().invoke(cli, line, standalone_mode=False, catch_exceptions=False)


def test_it_is_planned_started_brought_here_and_taken_down(
    happens: Happens, account: Account
) -> None:
    tokens: list[str] = []

    def ready(scratch: str) -> None:
        body = account.client("s3").get_object(Bucket=scratch, Key=machine.TOKEN_KEY)["Body"]
        tokens.append(body.read().decode())
        account.put(scratch, machine.READY_KEY, {"notebook": "verger.fr.ipynb"})

    happens += [
        lambda _: None,
        ready,
        lambda _: None,
        lambda scratch: account.put(scratch, "result.json", {**RESULT, "record": None}),
    ]

    told = say(STORE, "--language", "fr", "--idle-minutes", "30", "--port", "9999")

    (token,) = tokens
    assert len(token) == 48
    assert told.output.count("AWS-StartPortForwardingSession") == 1
    assert "portNumber=8888,localPortNumber=9999" in told.output
    assert f"http://127.0.0.1:9999/lab/tree/verger.fr.ipynb?token={token}" in told.output
    assert "EUR an hour" in told.output
    assert "after 30 idle minutes, and after 8 h 00 min in any case" in told.output
    assert told.stdout.endswith(f"{STORE}/notebook/\n")
    assert account.left() == []


def test_what_it_costs_is_said_before_anything_is_made(happens: Happens, account: Account) -> None:
    told = say(STORE, "--plan")

    assert "One server, 1 × c7i.xlarge (x86_64): 0." in told.stderr
    assert account.left() == []
    plan = notebooks.plan_notebook(Aws(REGION), "s3://orchard/photos", STORE)
    assert (plan.workload.photos, plan.workload.views) == (5, 2)
    assert plan.workload.copied > 5_000_000
    assert plan.recommended.on == "ec2"
    with pytest.raises(BudgetError, match="could cost"):
        say(STORE, "--budget", "0.5")
    assert account.left() == []


def test_a_disk_holds_the_copies(happens: Happens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "_measured", lambda *_: (100_000, 40_000_000_000))

    assert made().disk_gb > 20 + 40


def made(**given: Any) -> Job:
    return notebooks.notebook_job(planned(), "s3://orchard/photos", STORE, **{
        "language": "en", "overwrite": False, "idle_minutes": 60, "limit_minutes": None,
        "budget_eur": 10.0, **given,
    })  # fmt: skip


def planned() -> Plan:
    return notebooks.plan_notebook(Aws(REGION), "s3://orchard/photos", STORE)


@pytest.mark.parametrize(
    ("words", "error", "why"),
    [
        ([STORE, "--on", "emr"], UsageError, "--on emr: a notebook is opened on one server"),
        ([STORE, "--on", "serverless"], UsageError, "a notebook is opened on one server"),
        (["s3://results/other"], StoreError, "holds no run.json"),
        ([STORE, "--photos", "s3://orchard/other"], PhotosError, "No photo in"),
        ([STORE, "--photos", "photos"], PhotosError, "on AWS this must be a folder in S3"),
        (["store"], StoreError, "on AWS this must be a folder in S3"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    words: list[str], error: type[VergerError], why: str, happens: Happens, account: Account
) -> None:
    with pytest.raises(error, match=why):
        say(*words)

    assert account.left() == []


def test_photos_of_another_machine_are_asked_for(happens: Happens, account: Account) -> None:
    record = {**OF_THE_RUN, "photos": "/home/me/photos"}
    account.put("results", "fruits/store/run.json", record)

    with pytest.raises(PhotosError, match="found the photos in /home/me/photos") as told:
        say(STORE)

    assert "--photos s3://" in told.value.hint
    assert say(STORE, "--photos", "s3://orchard/photos", "--plan").exit_code == 0


def test_one_that_fails_says_why_and_is_taken_down(happens: Happens, account: Account) -> None:
    said = {**RESULT, "exit_code": 1, "error": "The notebook could not be run to its end."}
    happens += [lambda scratch: account.put(scratch, "result.json", said)]

    with pytest.raises(VergerError, match="could not be run to its end") as told:
        say(STORE)

    assert f"{STORE}/notebook" in told.value.hint
    assert account.servers() == []


def test_a_quota_that_is_too_small_is_told_before(happens: Happens, account: Account) -> None:
    rules.quotas["ec2", "L-1216C47A"] = ("all", 1.0)

    with pytest.raises(VergerError, match="takes 4 vCPUs at once on EC2; the account may use 1"):
        say(STORE)

    assert account.left() == []


def test_a_server_for_a_notebook_changes_no_other_file_of_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(NAMES, "Within", "notebook/")
    allowed = policy("ec2", "ServerRole")
    store = "arn:aws:s3:::results/fruits/store"

    assert allows(allowed, "s3:PutObject", f"{store}/notebook/verger.en.ipynb")
    assert allows(allowed, "s3:GetObject", f"{store}/run.json")
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert not allows(allowed, action, f"{store}/run.json")
        assert not allows(allowed, action, f"{store}/features/part-0.parquet")
    scratch = f"arn:aws:s3:::{NAMES['Scratch']}"
    assert allows(allowed, "s3:GetObject", f"{scratch}/{machine.TOKEN_KEY}")
    assert allows(allowed, "s3:PutObject", f"{scratch}/{machine.READY_KEY}")
    assert not allows(allowed, "s3:PutObject", f"{scratch}/{machine.TOKEN_KEY}")


def test_what_the_server_is_told(happens: Happens) -> None:
    job = made(language="fr", overwrite=True, idle_minutes=5)

    assert machine.arguments(job) == [
        "notebook", "s3://orchard/photos", STORE, "--language", "fr", "--idle-minutes", "5",
        "--overwrite",
    ]  # fmt: skip
    given = lab._parser().parse_args([*machine.arguments(job)[1:], "--scratch", "s3://scratch"])
    assert (given.photos, given.store, given.language) == (job.photos, STORE, "fr")
    assert (given.idle_minutes, given.overwrite, given.port) == (5, True, machine.LAB_PORT)
    assert len(machine.user_data(job, f"{job.id}-{ACCOUNT}")) < machine.LONGEST_USER_DATA


def test_a_server_for_a_notebook_gets_what_a_notebook_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, happens: Happens
) -> None:
    monkeypatch.undo()
    asked: list[str] = []
    monkeypatch.setattr(ship, "_pip", lambda *words: asked.extend(words))
    monkeypatch.setattr(ship, "spark_wheel", lambda folder, **how: asked.append(str(how)))
    for notebook in ("", "en"):
        asked.clear()
        job = Job(id="verger-1", photos="", store="", on="ec2", notebook=notebook)
        (tmp_path / f"of {notebook}").mkdir()
        ship.artefacts(job, tmp_path / f"of {notebook}")
        assert any(word.startswith("jupyterlab==") for word in asked) is bool(notebook)
        assert any(word.startswith("numpy==") for word in asked)
        assert str({"mllib": bool(notebook)}) in asked  # its models are saved and read by MLlib


def test_what_was_changed_is_saved_and_what_is_gone_is_deleted(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    (tmp_path / "features").mkdir()
    for name in ("verger.en.ipynb", "features/part 0.parquet"):
        (tmp_path / name).write_text("copied from there")
        account.put("results", f"store/notebook/{name}", b"copied from there")
    saved = lab.Saved(tmp_path, Objects("s3://results/store/notebook"))

    def there() -> dict[str, int]:
        found = account.client("s3").list_objects_v2(Bucket="results")["Contents"]
        return {each["Key"].removeprefix("store/notebook/"): each["Size"] for each in found}

    account.client("s3").delete_object(Bucket="results", Key="store/notebook/verger.en.ipynb")
    saved.save()
    assert set(there()) == {"features/part 0.parquet"}  # what has not changed is not sent

    (tmp_path / "verger.en.ipynb").write_text("changed")
    (tmp_path / "features" / "part 0.parquet").unlink()
    (tmp_path / "features" / "part é.parquet").write_text("new")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "a.ipynb").write_text("JupyterLab's own")
    saved.save()
    assert there() == {"verger.en.ipynb": 7, "features/part é.parquet": 3}
    assert time.time() - saved.changed() < 60

    (tmp_path / "verger.en.ipynb").write_text("changed again")
    monkeypatch.setattr(saved.to, "_bucket", "gone")
    saved.save()  # is said, and tried again
    with pytest.raises(lab.Failed, match="s3://results/store/notebook cannot be written"):
        saved.save(insist=True)


NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("kernels", "terminals", "saved", "last"),
    [
        ([], [], 0.0, 500.0),  # when it was started
        ([], [], 600.0, 600.0),
        ([{"execution_state": "idle", "last_activity": "1970-01-12T13:00:00.000Z"}], [], 0.0,
         997_200.0),
        ([{"execution_state": "starting", "last_activity": "1970-01-12T13:00:00.000Z"}], [], 0.0,
         997_200.0),
        ([{"execution_state": "busy", "last_activity": "1970-01-12T13:00:00Z"}], [], 0.0, NOW),
        ([{"execution_state": "idle"}], [{"last_activity": "1970-01-12T13:30:00Z"}], 0.0,
         999_000.0),
    ],
)  # fmt: skip
def test_what_counts_as_doing_something(
    kernels: list[dict[str, str]], terminals: list[dict[str, str]], saved: float, last: float
) -> None:
    assert lab.last_active(500.0, kernels, terminals, saved, NOW) == last
