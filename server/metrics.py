"""Prometheus metrics of the server itself.

The hot path adds to plain dictionaries; Prometheus' objects, each with a lock, are created on a scrape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_COMMIT_EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
_COMMIT_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class SharedState(Protocol):
    """The state of the connection that replicas share."""

    is_up: bool
    failures: int


class Metrics:
    """The counts of one process since its start. Each scrape calls `queue_depth`, `store_size`, `store_up` and `history_size`."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.events: Counter[tuple[str, str]] = Counter()  # (project, entry of the ledger)
        self.refusals: Counter[str] = Counter()  # by reason
        self.unserved: Counter[str] = Counter()  # by label of `server.ingest.unserved`
        self.answers: Counter[tuple[str, int]] = Counter()  # (route, status)
        self.job_runs: Counter[tuple[str, str]] = Counter()  # (job, result)
        self.job_done_at: dict[str, float] = {}  # job: seconds since 1970
        self.rollup_differences = 0  # rows that differed in the last check
        self.commit_failures = 0
        self.shared: SharedState | None = None  # None without Redis
        self.queue_depth: Callable[[], int] = lambda: 0
        self.store_size: Callable[[], int] = lambda: 0
        self.history_size: Callable[[], tuple[int, int] | None] = lambda: None  # bytes and their maximum
        self.store_up: Callable[[], bool] = lambda: True
        self._registry = CollectorRegistry()
        self.commit_events = Histogram("footfall_commit_events", "Events in one commit", buckets=_COMMIT_EVENTS, registry=self._registry)
        self.commit_seconds = Histogram("footfall_commit_seconds", "Duration of a commit", buckets=_COMMIT_SECONDS, registry=self._registry)
        self._registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics, for Prometheus' registry."""
        yield self._info()
        yield self._events()
        refusals = CounterMetricFamily("footfall_refusals", "Refused requests and events, by reason", labels=["reason"])
        for reason, count in self.refusals.items():
            refusals.add_metric([reason], count)
        yield refusals
        unserved = CounterMetricFamily("footfall_unserved", "Events posted to unserved paths, by likely client", labels=["client"])
        for label, count in self.unserved.items():
            unserved.add_metric([label], count)
        yield unserved
        answers = CounterMetricFamily("footfall_answers", "Responses of the ingest routes", labels=["route", "status"])
        for (route, status), count in self.answers.items():
            answers.add_metric([route, str(status)], count)
        yield answers
        jobs = CounterMetricFamily("footfall_job_runs", "Job runs, by result", labels=["job", "result"])
        for (job, result), count in self.job_runs.items():
            jobs.add_metric([job, result], count)
        yield jobs
        done = GaugeMetricFamily(
            "footfall_job_done_timestamp_seconds", "Time of a job's last successful run in this process", labels=["job"]
        )
        for job, at in self.job_done_at.items():
            done.add_metric([job], at)
        yield done
        yield GaugeMetricFamily("footfall_rollup_differences", "Rows that differed in the last recount", value=self.rollup_differences)
        yield CounterMetricFamily("footfall_commit_failures", "Failed commits", value=self.commit_failures)
        if self.shared is not None:
            yield GaugeMetricFamily(
                "footfall_redis_up", "1 if Redis responds; else each replica applies its own limits", value=int(self.shared.is_up)
            )
            yield CounterMetricFamily("footfall_redis_failures", "Failed requests to Redis", value=self.shared.failures)
        yield GaugeMetricFamily("footfall_store_up", "1 if the last commit succeeded", value=int(self.store_up()))
        yield GaugeMetricFamily("footfall_queue_depth", "Events that wait for their commit", value=self.queue_depth())
        yield GaugeMetricFamily("footfall_store_bytes", "Size of the store on disk", value=self.store_size())

        if (history := self.history_size()) is not None:
            yield GaugeMetricFamily("footfall_history_bytes", "Size of the history on disk", value=history[0])
            yield GaugeMetricFamily("footfall_history_max_bytes", "Maximum size of the history, FOOTFALL_HISTORY_SIZE", value=history[1])

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def exposition_of(self, slug: str) -> bytes:
        """Return the version and one project's events, for a key of that project."""
        return generate_latest(_Families(self._info(), self._events(slug)))

    def _info(self) -> Metric:
        info = GaugeMetricFamily("footfall_build_info", "The running version", labels=["version"])
        info.add_metric([self.version], 1)
        return info

    def _events(self, slug: str | None = None) -> Metric:
        events = CounterMetricFamily("footfall_events", "Events by project and result, as in the ledger", labels=["project", "result"])
        for (project, entry), count in self.events.items():
            if slug in (None, project):
                events.add_metric([project, entry], count)
        return events


class _Families(CollectorRegistry):
    """A registry of given metrics."""

    def __init__(self, *families: Metric) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
