"""Which device the network of a run computes on: the processor, or a GPU that was tried."""

from __future__ import annotations

from verger.embed import Card, gpu
from verger.errors import UsageError
from verger.progress import Reporter
from verger.settings import GPU_BACKBONE, RunSettings


def chosen_device(settings: RunSettings, card: Card | None, reporter: Reporter) -> str:
    """Return 'cpu' or 'cuda', as `settings.device` asks; of 'auto', tell which, and why.

    `card` is that of the network, None where the network is still free to be chosen. Raises
    `UsageError` where 'cuda' is asked for, and could not be.
    """
    if settings.device == "cpu":
        return "cpu"
    against = _against(settings, card)
    if settings.device == "cuda":
        if against:
            raise against
        return "cuda"
    reporter.say(f"Device: cpu. {against.what}" if against else "Device: cuda, which was tried.")
    return "cpu" if against else "cuda"


def _against(settings: RunSettings, card: Card | None) -> UsageError | None:
    """Say what speaks against a GPU, if anything does."""
    if card is not None and card.loses is not None:
        return UsageError(
            f"{card.name} computes in eight bits, which is for CPUs.",
            hint=f"Leave --device out; or, for a new STORE, give --backbone {GPU_BACKBONE}.",
        )
    if settings.engine == "process":
        return UsageError("--engine process computes on the CPU.")
    from verger.spark.session import is_alone

    if is_alone(settings):
        return gpu.tried()
    if settings.device == "auto":
        return UsageError("On a cluster, GPUs are asked for by --device cuda.")
    return None  # the workers say it, who have them
