"""How fast a run goes, for its plan: what was measured, and what is assumed.

*Measured* on one core of an AMD EPYC (2 cores, 24 GiB, Linux) on 21 November 2026, by `python -m
benchmarks` and `python -m benchmarks.rates`, with the float32 backbone; what the default one of
eight bits takes is a share of that (decision 38). *Assumed* is what has not been measured on AWS:
it is meant to be no better than what is found there.
"""

from __future__ import annotations

from verger.cloud.job import Architecture, Platform

# Measured: a core embeds 91 photos of 100 × 100 pixels (5 kB) a second with the float32 network,
# 10.9 ms each, and with the one of eight bits each further photo of a run takes 0.76 of that on a
# processor without VNNI. c7i, m7i and Graviton multiply whole numbers faster (the network alone
# takes two fifths, not two thirds), which is not counted on. Each view is counted as one of 224
# pixels; those of 192 that --accurate takes are done in three quarters of the time.
PHOTO_MS = 8.3
# Measured: decoding grows with bytes: 4 kB 1.0 ms, 22 kB 1.5 ms, 56 kB 3.0 ms, 117 kB 4.6 ms,
# 326 kB 9.0 ms; slower from there on, for large photos are decoded at a fraction of their size:
# 1.1 MB 16 ms, 4.1 MB 37 ms.
KILOBYTE_MS, LARGE_KILOBYTE_MS = 0.03, 0.01
LARGE = 300_000  # bytes
# Measured: fit and projection, two cores 0.105 ms a photo.
REDUCE_MS = 0.21
# Measured, by the one process that leads: gallery and CSV; and what the shortest runs take to fit.
GALLERY_MS = 0.058
CSV_MS = 0.022
FIT_SECONDS = 8.0
# Measured, by one process after the run: 4,950 photos 8 s, a million rows 60 s (docs/report.md).
REPORT_SECONDS = 8.0
REPORT_MS = 0.052
# Measured: Java, Spark and its workers, to the first photo.
SPARK_SECONDS = 15.0
# Measured: laying a photo listed beside those known takes 10 µs; the half of that rate is assumed
# for what S3 adds to it.
LISTED_A_SECOND = 50_000
# Measured, of Fruits-360: features with thumbnail, matrix of 200 components, and its CSV.
FEATURE_BYTES = 8_000
MATRIX_BYTES = 1_000
CSV_BYTES = 2_200
GALLERY_BYTES = 500

# Assumed: an x86-64 vCPU is one of two threads of a core; a Graviton vCPU is a core of its own,
# with narrower vector units. As shares of the core that was measured.
CORE_SHARE: dict[Architecture, float] = {"x86_64": 0.5, "arm64": 0.6}
# Assumed: the share that is left when many cores work at once, by stragglers and waiting.
KEPT: dict[Platform, float] = {"ec2": 0.9, "emr": 0.8, "serverless": 0.8}
# Assumed: from the first second that is billed to Spark's start: boot, and setting up (a test keeps
# what depends on Verger below 120 s).
START_SECONDS: dict[Platform, float] = {"ec2": 60 + 120, "emr": 420 + 120, "serverless": 120}
# Assumed: one stream from S3, and putting one file into its place there.
STREAM_BYTES_A_SECOND = 80e6
PLACE_SECONDS = 0.2
# A task embeds at most so many photos, into one file (`tasks/splits.py`).
PHOTOS_A_FILE = 4_000
# Measured: what a job is sent of Verger, and the requests that this takes the first time: parts of
# 8 MB, and a copy of each file. What was sent before is copied alone (`cache.py`).
SENT_MEGABYTES: dict[Platform, int] = {"ec2": 437, "emr": 170, "serverless": 170}
SENT_REQUESTS: dict[Platform, int] = {"ec2": 160, "emr": 30, "serverless": 30}
# S3 answers so many GET a second and prefix (its documentation; it grows by itself, slowly).
S3_GETS_A_SECOND = 5_500


def core_seconds(photos: int, size: int, views: int = 1) -> float:
    """Return the seconds that one measured core takes to embed photos of `size` bytes in all."""
    small = min(size, photos * LARGE)
    decoding = small / 1e3 * KILOBYTE_MS + (size - small) / 1e3 * LARGE_KILOBYTE_MS
    return (photos * views * PHOTO_MS + decoding) / 1e3


def cores(platform: Platform, architecture: Architecture, vcpus: int) -> float:
    """Return how many measured cores the vCPU of a platform are worth."""
    return vcpus * CORE_SHARE[architecture] * KEPT[platform]
