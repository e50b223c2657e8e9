"""Which device the network of a run computes on: the processor, or a GPU that was tried."""

from __future__ import annotations

from dataclasses import replace

from verger.embed import Backbone, gpu
from verger.errors import UsageError
from verger.progress import Reporter
from verger.settings import GPU_BACKBONE, RunSettings


def chosen_device(settings: RunSettings, name: str, backbone: Backbone, reporter: Reporter) -> str:
    """Return 'cpu' or 'cuda', as `settings.device` asks; of 'auto', tell which, and why.

    `backbone` is what would compute there, `name` as `--backbone` takes it. Raises `UsageError`
    where 'cuda' is asked for, and could not be.
    """
    if settings.device == "cpu":
        return "cpu"
    against = _against(settings, name, backbone)
    if settings.device == "cuda":
        if against:
            raise against
        return "cuda"
    if against:
        reporter.say(f"Device: cpu. {against.what}")
        return "cpu"
    reporter.say("Device: cuda (tried, and it works).")
    return "cuda"


def _against(settings: RunSettings, name: str, backbone: Backbone) -> UsageError | None:
    """Say what speaks against a GPU, if anything does."""
    if backbone.card.loses is not None:
        return UsageError(
            f"{backbone.card.name} computes in eight bits, which is for CPUs.",
            hint=f"Leave --device out; or, for a new STORE, give --backbone {GPU_BACKBONE}.",
        )
    if settings.engine == "process":
        return UsageError("--engine process computes on the CPU.")
    from verger.spark.session import is_alone

    if is_alone(settings):
        there = replace(settings, device="cuda")
        return gpu.tried(name, backbone.card.input.framing, there.photos_a_batch)
    if settings.device == "auto":
        return UsageError("On a cluster, GPUs are asked for by --device cuda.")
    return None  # the workers say it, who have them
