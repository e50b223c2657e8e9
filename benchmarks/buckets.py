"""`python -m benchmarks.buckets`: photos from an S3 server that is 25 ms away, beside the disk.

The server is SeaweedFS on this machine, behind a proxy that holds each request back; both take
their share of the same cores. Peer is Spark's `binaryFile` over s3a, with the same network. A run
on 1,200 photos or more replaces benchmarks/buckets.md; a smaller one is only printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pyspark

from benchmarks import photos
from benchmarks.contenders import HERE, PEERS, VERGER
from benchmarks.measure import measure
from benchmarks.table import machine

sys.path.insert(0, str(HERE.parent / "tests"))  # the server and the proxy are those of the tests

from faults import Faults, Proxy, faulty
from seaweed import S3, serve

_FULL = 1_200
_LATENCY = 0.025  # seconds
_BUCKET = "bench"


def main() -> None:
    """Measure, print the page, and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.buckets", description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder of photos (default: rendered)")
    parser.add_argument("--count", type=int, default=1_500, help="photos (default: 1,500)")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    cores, count = options.cores, options.count
    files = photos.listed(options.photos or photos.rendered(min(count, photos.A_SEED), cores))
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="verger-bench-") as name:
        scratch = Path(name)
        sizes = {"large": count, "small": count // 6, "few": count // 3, "fewest": count // 12}
        laid = {
            size: photos.lay(files, number, _new(scratch, size)) for size, number in sizes.items()
        }
        with serve(_new(scratch, "s3")) as server, faulty(server.endpoint) as proxy:
            _send(server, laid)
            proxy.set(Faults(latency=_LATENCY))
            near = server.behind(proxy.endpoint)
            rates: dict[str, list[float]] = {"disk": [], "bucket": []}
            for n in range(options.rounds):
                for who in ("disk", "bucket") if n % 2 == 0 else ("bucket", "disk"):
                    seconds = [
                        _embedding(
                            str(laid[size]) if who == "disk" else f"s3://{_BUCKET}/{size}",
                            near, _new(scratch, "out") / "store", cores,
                        )
                        for size in ("small", "large")
                    ]  # fmt: skip
                    rates[who].append((count - sizes["small"]) / (seconds[1] - seconds[0]))
                    print(f"{who}: {seconds} s, {rates[who][-1]:.0f}/s", file=sys.stderr)
            seconds = [
                _binary_file(size, near, _new(scratch, "out"), cores) for size in ("fewest", "few")
            ]
            spark = (sizes["few"] - sizes["fewest"]) / (seconds[1] - seconds[0])
            print(f"binaryFile: {seconds} s, {spark:.0f}/s", file=sys.stderr)
            again, opened = _nothing_new(proxy, near, scratch, cores)
    text = _page(rates, spark, (again, opened), sizes, load)
    print(text)
    if count >= _FULL:
        (HERE / "buckets.md").write_text(text, encoding="utf-8")


def _embedding(source: str, server: S3, store: Path, cores: int) -> float:
    """Return the seconds of the embedding stage; STORE lies on the disk."""
    command = [*VERGER, "run", source, str(store), "--json", "--no-csv", "--no-report"]
    took = measure([*command, "--cores", str(cores)], cwd=store.parent, env=server.environment())
    return float(json.loads(took.stdout)["seconds"]["embed"])


def _binary_file(size: str, server: S3, out: Path, cores: int) -> float:
    """Return the seconds of plain Spark over s3a, which Spark fetches by itself."""
    client = next(Path(pyspark.__file__).parent.glob("jars/hadoop-client-api-*.jar"))
    hadoop = client.stem.removeprefix("hadoop-client-api-")
    conf = {
        "endpoint": server.endpoint,
        "endpoint.region": server.region,
        "path.style.access": "true",
        "connection.ssl.enabled": "false",
    }
    words = " ".join(f"--conf spark.hadoop.fs.s3a.{key}={value}" for key, value in conf.items())
    packages = f"--packages org.apache.hadoop:hadoop-aws:{hadoop}"
    submitted = {"PYSPARK_SUBMIT_ARGS": f"{packages} {words} pyspark-shell"}
    env = server.environment() | submitted
    return PEERS["spark"].run(None, f"s3a://{_BUCKET}/{size}", out, cores, env=env).seconds


def _nothing_new(proxy: Proxy, server: S3, scratch: Path, cores: int) -> tuple[float, int]:
    """Return the seconds of a second whole run, and how many photos were asked for in it."""
    store = _new(scratch, "out") / "store"
    source = f"s3://{_BUCKET}/large"
    _embedding(source, server, store, cores)
    proxy.set(Faults(latency=_LATENCY, error=1, only=rf"^GET /{_BUCKET}/large/"))
    line = [*VERGER, "run", source, str(store), "--no-csv", "--no-report"]
    took = measure(line, cwd=scratch, env=server.environment())
    return took.seconds, proxy.counts()["error"]


def _send(server: S3, laid: dict[str, Path]) -> None:
    store = server.make_bucket(_BUCKET)
    with ThreadPoolExecutor(16) as pool:
        for size, folder in laid.items():
            files = [file for file in folder.rglob("*") if file.is_file()]
            names = [f"{size}/{file.relative_to(folder)}" for file in files]
            list(pool.map(lambda name, file: obstore.put(store, name, file), names, files))


def _new(scratch: Path, name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))


def _page(
    rates: dict[str, list[float]],
    spark: float,
    second: tuple[float, int],
    sizes: dict[str, int],
    load: float,
) -> str:
    disk, bucket = (statistics.median(rates[who]) for who in ("disk", "bucket"))
    rows = [
        (
            "photos/s from the bucket ÷ from the disk",
            f"{bucket:.0f} ÷ {disk:.0f}",
            bucket / disk,
            0.9,
        ),
        ("photos/s ÷ `binaryFile` over s3a", f"{bucket:.0f} ÷ {spark:.1f}", bucket / spark, 3.0),
    ]
    table = [
        f"| {what} | {figures} | {ratio:.2f} | ≥ {target:g} | {_met(ratio >= target)} |"
        for what, figures, ratio, target in rows
    ]
    opened = f"{second[1]} of {sizes['large']:,} | | 0 | {_met(second[1] == 0)}"
    rounds = "; ".join(
        f"{who}: {', '.join(f'{rate:.0f}' for rate in found)}" for who, found in rates.items()
    )
    return f"""# Buckets

{machine()}; load before: {load:.1f}

Made by `python -m benchmarks.buckets`: an S3 server (SeaweedFS) behind a proxy that holds each
request back for {_LATENCY * 1000:.0f} ms, both on this machine.

| measure | figures | ratio | asked for | met |
|---|---|---|---|---|
{chr(10).join(table)}
| photos opened by a second run with nothing new | {opened} |

That second run took {second[0]:.1f} s, start of Python and listing included. Every round,
photos/s: {rounds}.

A rate is that of what two sizes differ by, so that starting cancels out: {sizes["small"]:,} and
{sizes["large"]:,} photos for Verger's embedding stage, {sizes["fewest"]:,} and {sizes["few"]:,} for
`binaryFile` (its listing included), medians of the rounds. The peer is
`benchmarks/peers/plain_spark.py` with the same network, cores and connector. Photos opened are
counted by the proxy, which would answer every one with an error.
"""


def _met(met: bool) -> str:
    return "yes" if met else "**no**"


if __name__ == "__main__":
    main()
