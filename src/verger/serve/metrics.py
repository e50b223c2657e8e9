"""What the server counts, in the format of Prometheus. No address, name or photo is in it."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


class Metrics:
    """The metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "verger_http_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "verger_http_request_seconds",
            "Seconds from a request's head to its answer's end.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.stage = Histogram(
            "verger_identify_seconds",
            "Seconds of an identification, by stage: receive, wait, features, search.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.verdicts = Counter(
            "verger_identifications", "Fruits answered.", ["verdict"], registry=registry
        )
        self.rejected = Counter(
            "verger_photos_rejected", "Uploaded photos refused.", ["reason"], registry=registry
        )
        self.inside = Gauge(
            "verger_requests_inside", "Uploads being received or worked on.", registry=registry
        )
        self.gallery = Gauge("verger_gallery_photos", "Photos in the gallery.", registry=registry)

    def text(self) -> bytes:
        """Return everything, as Prometheus reads it."""
        return generate_latest(self._registry)
