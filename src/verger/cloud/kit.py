"""What a job needs beside its stacks: scripts, command lines, and the files that are sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verger.cloud import machine
from verger.cloud.job import Job


@dataclass(frozen=True, slots=True)
class Kit:
    """What is put beside the stacks of one job.

    user_data: the first script of an EC2 server; empty elsewhere
    step:      the command line of an EMR step; empty elsewhere
    driver:    `jobDriver` of an EMR Serverless job run; empty elsewhere
    files:     what is sent to the scratch bucket, by key
    """

    user_data: str = ""
    step: list[str] = field(default_factory=list)
    driver: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)


def words_of(job: Job, scratch: str) -> Kit:
    """Return the scripts and command lines of a job, and no file; nothing is built or fetched."""
    if job.on == "ec2":
        return Kit(user_data=machine.user_data(job, scratch))
    if job.on == "emr":
        return Kit(step=machine.emr_step(job, scratch))
    return Kit(driver=machine.serverless_driver(job, scratch))


def kit_of(job: Job, scratch: str, folder: Path) -> Kit:
    """Return the whole kit of a job; its files are made in `folder`, which is empty.

    Raises `EngineError` where wheels could not be fetched or made.
    """
    from verger.cloud.ship import artefacts

    words = words_of(job, scratch)
    return Kit(words.user_data, words.step, words.driver, artefacts(job, folder))
