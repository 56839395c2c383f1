"""Every metric of Crawlsieve, declared once. `python -m crawlsieve.telemetry.metrics` prints docs/metrics.md.

Labels are feeds, signals, reasons and places in Kafka: never a URL, a fingerprint or an entry's tag.
"""

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector

from crawlsieve.telemetry.instruments import REGISTRY, counter, gauge, histogram

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_LONG_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
_DELAY_SECONDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 86400.0)
_EVENTS = (1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0)

# Screening

EVENTS = counter(
    "crawlsieve_events_total",
    labels=("verdict",),
    unit="events",
    meaning="Events with a committed verdict: clean, quarantined or dead.",
    action="If it stands still while crawlsieve_lag_events grows, look at crawlsieve_hold, then at the log.",
)
CHECKED = counter(
    "crawlsieve_checked_values_total",
    labels=("signal",),
    unit="values",
    meaning="Values of events that were looked up, by kind of signal.",
    action="A signal that stops while events go on was renamed or left out by the crawler: compare [events] signals.",
)
MATCHES = counter(
    "crawlsieve_matches_total",
    labels=("feed", "signal", "category"),
    unit="matches",
    meaning="Matches that quarantined an event.",
    action="A sudden flood from one feed is a bad entry more often than a bad crawl: ask the partner about it.",
)
CANCELLED = counter(
    "crawlsieve_cancelled_matches_total",
    labels=("feed", "signal"),
    unit="matches",
    meaning="Matches of this feed that an entry of an allow feed cancelled.",
    action="Growth that nobody planned: review the allow feeds that the feed names in overruled_by.",
)
OBSERVED = counter(
    "crawlsieve_observed_matches_total",
    labels=("feed", "signal"),
    unit="matches",
    meaning="Matches of feeds that are only observed; they quarantine nothing.",
    action="Use it to judge a new feed before its action becomes quarantine.",
)
DEAD_LETTERS = counter(
    "crawlsieve_dead_letters_total",
    labels=("reason",),
    unit="events",
    meaning="Events that could not be vouched for, by reason.",
    action="Read the crawlsieve-* headers in the dead-letter topic; mend the crawler or [events], then publish again.",
)
RECORDS_REFUSED = counter(
    "crawlsieve_records_refused_total",
    labels=("reason",),
    unit="records",
    meaning="Output records that the broker refused for good; their events went to the dead letters.",
    action="Raise max.message.bytes and the timestamp limits of the output topics to the input's: `crawlsieve topics`.",
)
BATCH_EVENTS = histogram(
    "crawlsieve_batch_events",
    unit="events",
    buckets=_EVENTS,
    meaning="Events in a committed batch.",
    action="Always at screen.max_batch means that the screener is the bottleneck: add screeners, up to the partitions.",
)
BATCH_SECONDS = histogram(
    "crawlsieve_batch_seconds",
    unit="seconds",
    buckets=_SECONDS,
    meaning="From a batch's last event read to its verdicts committed.",
    action="Compare with crawlsieve_transaction_seconds: the difference is screening, the rest is Kafka.",
)
TRANSACTION_SECONDS = histogram(
    "crawlsieve_transaction_seconds",
    unit="seconds",
    buckets=_SECONDS,
    meaning="From the begin of a transaction to its commit.",
    action="Near screen.transaction_timeout the broker aborts: look at the brokers' disks and replication.",
)
EVENT_DELAY_SECONDS = histogram(
    "crawlsieve_event_delay_seconds",
    unit="seconds",
    buckets=_DELAY_SECONDS,
    meaning="From an event's Kafka timestamp to its committed verdict; a sample of the events.",
    action="Grows with the lag: add screeners. High without lag: lower screen.max_delay; check the crawlers' clocks.",
)
LAG = gauge(
    "crawlsieve_lag_events",
    labels=("topic", "partition"),
    unit="events",
    meaning="Events in a partition of this screener that have no verdict yet; right under exactly-once.",
    action="Growing without a hold: add screeners or partitions.",
)
LAG_RETENTION_SHARE = gauge(
    "crawlsieve_lag_retention_ratio",
    labels=("topic", "partition"),
    unit="ratio",
    meaning="Age of the lag as a share of the topic's retention; at 1 Kafka deletes events that were never screened.",
    action="Above 0.5: end the hold or add screeners now, or raise retention.ms of the input topic.",
)
REBALANCES = counter(
    "crawlsieve_rebalances_total",
    labels=("kind",),
    unit="rebalances",
    meaning="Changes of this member's partitions: assigned, revoked or lost.",
    action="lost means that the session ran out: the process was stopped, starved, or cut off from Kafka.",
)
ABORTS = counter(
    "crawlsieve_transaction_aborts_total",
    labels=("cause",),
    unit="transactions",
    meaning="Transactions that did not commit; their batches were screened again.",
    action="A few at rebalances and broker restarts are normal. Steady ones: the cause is the name of Kafka's error.",
)
GAPS = counter(
    "crawlsieve_gaps_total",
    labels=("topic", "partition"),
    unit="gaps",
    meaning="Times that a committed offset was out of range: events may be gone without a verdict.",
    action="Find out what Kafka deleted; then pass the gap with screen.pass_gaps in the words of the log line.",
)
HOLD = gauge(
    "crawlsieve_hold",
    labels=("cause",),
    unit="boolean",
    meaning="1 while this process does not read because of this cause.",
    action="The log line and /ready say what is being done and what you can do; docs/metrics.md lists the causes.",
)

# The denylist

DENYLIST_VERSION = gauge(
    "crawlsieve_denylist_version",
    unit="offset",
    meaning="Offset of the last status record that is applied; the same in every screener that is up to date.",
    action="A screener that stays behind the others: look at its crawlsieve_hold and its log.",
)
DENYLIST_ENTRIES = gauge(
    "crawlsieve_denylist_entries",
    labels=("feed", "signal"),
    unit="entries",
    meaning="Entries in force.",
    action="A step that the partner has not announced: compare with the partner's own count.",
)
DENYLIST_BYTES = gauge(
    "crawlsieve_denylist_bytes",
    unit="bytes",
    meaning="Memory that the denylist's structures take.",
    action="Plan the container's limit with twice this, for a new snapshot is built beside the old one.",
)
DENYLIST_AGE_SECONDS = gauge(
    "crawlsieve_denylist_age_seconds",
    labels=("feed",),
    unit="seconds",
    meaning="Time since the feed's newest complete pull.",
    action="Above the feed's max_age a required feed holds the screeners: look at the refresher's log for this feed.",
)
DENYLIST_COMPLETE = gauge(
    "crawlsieve_denylist_complete",
    labels=("feed",),
    unit="boolean",
    meaning="1 if all of the feed's entries of its newest pull are in force.",
    action="0 for longer than a refresh takes: the refresher stopped between two parts; look at its log.",
)

# Refreshing

REFRESHES = counter(
    "crawlsieve_refreshes_total",
    labels=("feed", "outcome"),
    unit="refreshes",
    meaning="Ended refreshes: ok, unchanged, or why the pull was refused.",
    action="A refused pull leaves the old entries in force; the log line says what to do about each reason.",
)
REFRESH_SECONDS = histogram(
    "crawlsieve_refresh_seconds",
    labels=("feed",),
    unit="seconds",
    buckets=_LONG_SECONDS,
    meaning="From the begin of a pull to its last committed part.",
    action="Longer than the feed's `every`: pull less often, or ask the partner for changes instead of full lists.",
)
SET_ASIDE = gauge(
    "crawlsieve_set_aside_entries",
    labels=("feed", "reason"),
    unit="entries",
    meaning="Entries of the newest pull that are not in force, for they are unreadable or would match everything.",
    action="When it grows, report it to the partner.",
)
REFRESH_LEADER = gauge(
    "crawlsieve_refresh_leader",
    unit="boolean",
    meaning="1 in the refresher that leads, 0 in those that stand by.",
    action="A sum of 0 for longer than a minute: no refresher runs, or none reaches Kafka.",
)
FEED_ORPHANED = gauge(
    "crawlsieve_feed_orphaned",
    labels=("feed",),
    unit="boolean",
    meaning="1 for a feed that is in force but no longer in the configuration.",
    action="Bring its section back, or take the feed out of the denylist on purpose.",
)

# The process

BUILD_INFO = gauge(
    "crawlsieve_build_info",
    labels=("version",),
    unit="",
    meaning="Always 1; the label is the software's version.",
    action="Two versions for longer than a roll-out takes: a process was left behind.",
)

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

if __name__ == "__main__":
    from crawlsieve.telemetry.reference import page

    print(page(), end="")
