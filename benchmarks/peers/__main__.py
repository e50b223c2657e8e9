"""`python -m benchmarks.peers`: Verger beside Daft, Ray Data, plain Spark and the notebook idiom.

All see the same photos, on two sizes, in turn, round after round; each writes path, label and
features as Parquet. They run in environments of their own (beside this file, installed into
.bench/), with the same versions of ONNX Runtime, Pillow and NumPy. What is measured is appended to
.bench/peers.jsonl; --resume goes on from there, also with other peers, networks, sizes or more
rounds. A run of all peers on 2,000 photos or more replaces benchmarks/peers.md; another one is only
printed.

What each may do. All may use the cores that they are given, in as many processes or threads as they
like, with ONNX Runtime on one thread each (with more, the processes would wait for each other), and
the same batches for the network. All but the notebook decode with the same function
(`benchmarks/plain.py`): Pillow, a large JPEG at a smaller scale, one resize to the frame; Verger's
own has more to do, since it takes odd files and makes a thumbnail. Daft, Ray Data and plain Spark
are written as their documentation says for a model that is costly to load. None of them looks for
damage, keeps rejects, or can go on where it was stopped, as Verger does. The notebook stretches
photos and runs TensorFlow's MobileNetV2, as the course does it. The bare loop decodes and infers,
and writes nothing: it is what is left if everything else costs nothing.

The clock of each runs from the start of its process until all features lie in files. What follows,
the end of Spark or Ray, and what `verger run`, the whole command as a user types it, makes of the
features, does not count, but for peaks of memory.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import photos
from benchmarks.contenders import BARE, HERE, OURS, PEERS, Contender, Network
from benchmarks.measure import Failed
from benchmarks.peers import environments
from benchmarks.peers.checked import check
from benchmarks.peers.kept import Key, Measurement, Measurements
from benchmarks.peers.page import DEFAULT, page
from benchmarks.table import machine
from verger.embed.backbone import shipped_names
from verger.errors import VergerError
from verger.settings import DEFAULT_BACKBONE

_FULL = 2_000
_KEPT = environments.FOLDER / "peers.jsonl"


def main() -> None:
    """Measure, print the page, and write it."""
    options = _options()
    try:
        networks = [Network.of(given) for given in options.network or shipped_names()]
        measured = _measured(options, networks)
    except (Failed, VergerError) as error:
        sys.exit(f"benchmarks.peers: {error}")
    default = DEFAULT_BACKBONE
    known = {network.given: network.name for network in networks}
    names = list(known.values())
    text = page(measured, options.sizes, names, known.get(default, DEFAULT), _command())
    print(text)
    whole = {key.who for key in measured.all} >= set(PEERS) and options.sizes[1] >= _FULL
    if out := options.out or (HERE / "peers.md" if whole else None):
        out.write_text(text, encoding="utf-8")
        _tell(f"written: {out}")


def _options() -> argparse.Namespace:
    summary = (__doc__ or "").partition("\n\nWhat each")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=summary)
    add = parser.add_argument
    add("--photos", type=Path, help="a folder of real photos (default: photos that are rendered)")
    add("--sizes", type=_sizes, default=(600, 3000), help="two sizes (default: 600,3000)")
    add("--peers", type=_peers, default=list(PEERS), help=f"some of {','.join(PEERS)}")
    add(
        "--network",
        action="append",
        metavar="FILE.onnx",
        help="run by all; may be given several times; as they come, peers take the first "
        "(default: those that the package ships)",
    )
    add("--rounds", type=int, default=3, help="(default: 3)")
    add("--cores", type=int, default=2, help="cores for everyone (default: 2)")
    add("--resume", action="store_true", help="go on with what an earlier run has measured")
    add("--out", type=Path, help="where to write the page")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, int]:
    small, large = sorted(int(word) for word in text.split(","))
    if not 0 < small < large:
        raise argparse.ArgumentTypeError(f"{text} are not two sizes, such as 600,3000")
    return small, large


def _peers(text: str) -> list[str]:
    named = [word for word in text.split(",") if word]
    if unknown := [name for name in named if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(PEERS)}")
    return named


def _measured(options: argparse.Namespace, networks: list[Network]) -> Measurements:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    contenders = {"verger": OURS, "bare": BARE} | {
        name: PEERS[name].on(environments.python_of(name)) for name in options.peers
    }
    folder = options.photos or photos.rendered(options.sizes[1], options.cores)
    files = photos.listed(folder)
    said = f"{options.photos.name if options.photos else 'rendered'}, {len(files):,} different ones"
    kept = Measurements(_KEPT, {"photos": said, "cores": options.cores, "machine": machine()})
    kept.open(resume=options.resume)
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as name:
        laid = {size: photos.lay(files, size, Path(name) / str(size)) for size in options.sizes}
        turns = list(_turns(contenders, networks))
        # Memory has a round of its own, since to read it slows what is measured.
        for n in [*range(1, options.rounds + 1), 0]:
            for who, network in turns if n % 2 else reversed(turns):
                for size in options.sizes if n else options.sizes[1:]:
                    key = Key(who, network.name if network else DEFAULT, size, n)
                    if key not in kept.all:
                        kept.add(_run(contenders[who], network, laid[size], options.cores, key))
    return kept


def _turns(
    contenders: dict[str, Contender], networks: list[Network]
) -> Iterator[tuple[str, Network | None]]:
    """Give who runs with what: all with each network; and what comes with a network of its own."""
    for network in networks:
        yield from ((who, network) for who in contenders if who != "notebook")
    if DEFAULT_BACKBONE not in [network.given for network in networks]:
        yield "verger", None
    if "notebook" in contenders:
        yield "notebook", None


def _run(
    contender: Contender,
    network: Network | None,
    folder: Path,
    cores: int,
    key: Key,
) -> Measurement:
    who, name, size, round_ = key
    out = folder.parent / "out"
    out.mkdir()
    taken = contender.run(network, folder, out, cores, memory=not round_)
    differs = None
    if contender.features:
        differs = check(who, out / contender.features, folder, size, network)
    shutil.rmtree(out)
    what = f"{taken.memory:,.0f} MiB" if not round_ else f"{taken.seconds:.1f} s"
    _tell(f"round {round_}, {who}, {name}, {size:,} photos: {what}")
    return Measurement(key, taken.seconds, taken.cpu, taken.whole, taken.memory, differs)


def _command() -> str:
    """Return the command without folders of this machine: their last part says enough."""
    shown = [Path(text).name if "/" in text else text for text in sys.argv[1:]]
    return shlex.join(["python", "-m", "benchmarks.peers", *shown])


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
