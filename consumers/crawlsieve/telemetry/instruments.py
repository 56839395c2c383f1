"""Counter, gauge and histogram with what an operator needs to know of each, on top of prometheus-client."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry

REGISTRY = CollectorRegistry()
"""Holds our metrics and the process's; nothing that a library registers by default."""

# The creation time of every series would double the page and answers no question of ours.
prometheus_client.disable_created_metrics()

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class Spec:
    """What docs/metrics.md says of one metric."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str
    action: str
    buckets: tuple[float, ...] = ()


DECLARED: list[Spec] = []
"""Every metric, in order of declaration."""

Child = TypeVar("Child", prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram)


class _Instrument(Generic[Child]):
    """One metric and its series. Series are found by their label values, without prometheus-client's own look-up."""

    def __init__(self, spec: Spec, parent: Child) -> None:
        DECLARED.append(spec)
        self.spec = spec
        self._parent: Child = parent
        self._children: dict[tuple[str, ...], Child] = {}

    def _series(self, labels: dict[str, str]) -> Child:
        values = tuple([labels[name] for name in self.spec.labels if name in labels])
        if not len(values) == len(labels) == len(self.spec.labels):
            raise ValueError(f"{self.spec.name} has the labels {self.spec.labels}")
        child = self._children.get(values)
        if child is None:
            child = self._parent.labels(*values) if values else self._parent
            self._children[values] = child
        return child

    def remove(self, **labels: str) -> None:
        """Ends one series, if there is one: what it counted is no longer this process's."""
        values = tuple([labels[name] for name in self.spec.labels])
        if self._children.pop(values, None) is not None:
            self._parent.remove(*values)


class Counter(_Instrument[prometheus_client.Counter]):
    """Only grows, from 0 at the start of the process."""

    def inc(self, amount: float = 1, **labels: str) -> None:
        """Adds amount, which is not negative."""
        self._series(labels).inc(amount)


class Gauge(_Instrument[prometheus_client.Gauge]):
    """A value as it is now."""

    def set(self, value: float, **labels: str) -> None:
        """Replaces the value."""
        self._series(labels).set(value)


class Histogram(_Instrument[prometheus_client.Histogram]):
    """How often a quantity fell into each of a few ranges."""

    def observe(self, value: float, **labels: str) -> None:
        """Counts one occurrence."""
        self._series(labels).observe(value)


def counter(name: str, *, meaning: str, action: str, labels: Sequence[str] = (), unit: str = "") -> Counter:
    """Declares a counter. name ends in _total; unit is for the documentation ("events")."""
    spec = Spec(name, "counter", unit, tuple(labels), meaning, action)
    return Counter(spec, prometheus_client.Counter(name, meaning, spec.labels, registry=REGISTRY))


def gauge(name: str, *, meaning: str, action: str, labels: Sequence[str] = (), unit: str = "") -> Gauge:
    """Declares a gauge."""
    spec = Spec(name, "gauge", unit, tuple(labels), meaning, action)
    return Gauge(spec, prometheus_client.Gauge(name, meaning, spec.labels, registry=REGISTRY))


def histogram(
    name: str, *, meaning: str, action: str, unit: str, buckets: Sequence[float], labels: Sequence[str] = ()
) -> Histogram:
    """Declares a histogram. buckets: upper bounds, growing, without infinity."""
    spec = Spec(name, "histogram", unit, tuple(labels), meaning, action, tuple(buckets))
    return Histogram(
        spec, prometheus_client.Histogram(name, meaning, spec.labels, registry=REGISTRY, buckets=tuple(buckets))
    )
