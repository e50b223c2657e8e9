"""How near the features of an exported network are to those of the original."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from verger.embed import Network
from verger.embed.card import QuantizationLoss
from verger.errors import BackboneError

Features = npt.NDArray[np.float32]
Photos = npt.NDArray[np.uint8]

TOLERANCE = 1e-4  # of the largest feature, or of 1
_BATCH = 4
_ROUNDS = 9


def check_same(name: str, ours: Features, theirs: Features) -> float:
    """Return the largest difference; raise `BackboneError` where it is above the tolerance."""
    difference = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else np.inf
    if not difference <= TOLERANCE * max(1.0, float(np.abs(theirs).max())):
        raise BackboneError(
            f"The exported {name} is not the network it was made from: features differ by up to "
            f"{difference:.1e}."
        )
    return difference


def kept(ours: Features, theirs: Features) -> QuantizationLoss:
    """Compare the features of some photos that a network was not calibrated on, (N, features)."""
    mine, original = _unit(ours), _unit(theirs)
    cosines = (mine * original).sum(axis=1)
    same = _nearest(mine) == _nearest(original)
    shares = (round(float(share), 4) for share in (cosines.mean(), cosines.min(), same.mean()))
    return QuantizationLoss(f"{len(ours)} photos that it was not calibrated on", *shares)


def features_of(network: Network, photos: Photos) -> Features:
    """Run a network over photos (N, size, size, 3), a few at a time."""
    parts = [network.output(photos[at : at + _BATCH]) for at in range(0, len(photos), _BATCH)]
    return np.concatenate(parts).astype(np.float32)


def speed(network: Network, other: Network) -> float:
    """Measure how many photos a network does in the time in which another does one."""
    pairs: list[tuple[Network, list[float]]] = [(network, []), (other, [])]
    for _ in range(_ROUNDS):
        for one, seconds in pairs:
            batch = drawn_photos(_BATCH, one.card.input.size)
            one.output(batch[:1])
            began = time.process_time()
            one.output(batch)
            seconds.append(time.process_time() - began)
    mine, others = (min(seconds) for _, seconds in pairs)
    return float(others / mine)


def drawn_photos(count: int, size: int) -> Photos:
    """Draw photos (count, size, size, 3) with the spectrum of real ones, the same at each call.

    The amplitude of natural images falls as one over the frequency, and the three channels share
    most of their light: soft blobs and shading, nearly grey.
    """
    rng = np.random.default_rng(1)
    across = np.fft.fftfreq(size)
    frequency = np.hypot(across[:, None], across[None, :])
    frequency[0, 0] = np.inf  # no mean: it is set below
    noise = rng.standard_normal((count, 4, size, size))
    fields = np.fft.ifft2(np.fft.fft2(noise) / frequency).real
    fields /= fields.std(axis=(2, 3), keepdims=True)
    pixels = 127.0 + 50.0 * fields[:, 3:] + 15.0 * fields[:, :3]
    return np.ascontiguousarray(np.clip(pixels, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))


def _unit(rows: Features) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, np.where(lengths > 0, lengths, 1), dtype=np.float64)


def _nearest(unit: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    nearest: npt.NDArray[np.int64] = likeness.argmax(axis=1)
    return nearest
