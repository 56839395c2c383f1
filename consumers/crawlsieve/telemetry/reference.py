"""docs/metrics.md, from the declarations."""

from crawlsieve.telemetry.holds import HOLDS
from crawlsieve.telemetry.instruments import DECLARED

_HEAD = """\
# Metrics

Made by `python -m crawlsieve.telemetry.metrics` from the declarations; change those, not this page.

`screen` and `refresh` serve `/metrics` at the `listen` of their section, as Prometheus text or, when the scraper asks
for it, as OpenMetrics. Labels are feeds, signals, reasons and places in Kafka; never a URL, a fingerprint or an entry.
Beside these there are prometheus-client's `process_*`, `python_info` and `python_gc_*`.
"""

_HOLDS = """
## Causes of a hold

The values of `crawlsieve_hold`'s label `cause`, as they stand in the log and in `/ready` too. On a cause in the
*process* a screener leaves its group, so that healthy members take its partitions; on one in the *input* it keeps them,
paused. Either way events wait in Kafka, and screening goes on by itself once the cause is gone.

| cause | where | meaning | what the process does | what you can do |
| --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page, once crawlsieve.telemetry.metrics has been imported or is being run."""
    parts = [_HEAD]
    for spec in DECLARED:
        labels = ", ".join(f"`{label}`" for label in spec.labels) or "none"
        parts.append(f"\n## {spec.name}\n\n{spec.kind}; unit: {spec.unit or 'none'}; labels: {labels}\n\n")
        parts.append(f"{spec.meaning}\n\n**What to do:** {spec.action}\n")
        if spec.buckets:
            parts.append(f"\nBuckets: {', '.join(f'{bound:g}' for bound in spec.buckets)}\n")
    parts.append(_HOLDS)
    for hold in HOLDS.values():
        row = (f"`{hold.cause}`", hold.kind, hold.meaning, hold.doing, hold.advice)
        parts.append(f"| {' | '.join(row)} |\n")
    return "".join(parts)
