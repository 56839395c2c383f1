"""`crawlsieve refresh --dry-run`: what a refresh would change, in numbers. Writes nothing and does not lead."""

from collections.abc import Mapping

from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table

from crawlsieve.config import Config
from crawlsieve.errors import OperatorError
from crawlsieve.kafka import failures
from crawlsieve.refresh import checks, parts
from crawlsieve.refresh.feed import Feed
from crawlsieve.refresh.pull import pull
from crawlsieve.refresh.refusal import Refused
from crawlsieve.refresh.term import Tools
from crawlsieve.refresh.topic_state import TopicState
from crawlsieve.telemetry.health import Health


def run(config: Config, feeds: Mapping[str, Feed], tools: Tools, health: Health) -> int:
    """Prints a table to standard output. Returns 1 if any pull would be refused. Raises OperatorError."""
    table = Table("feed", "outcome", "in force", "add or change", "remove", "set aside", "advice")
    state = TopicState(config, tools.keys, tools.spool, health.heartbeat, lambda _: None)
    good = True
    try:
        state.load()
        for feed in feeds.values():
            row, fine = _preview(feed, tools, state)
            table.add_row(feed.name, *row)
            good = good and fine
    except KafkaException as e:
        raise OperatorError(
            f"Kafka does not answer ({failures.describe(e)}): check kafka.bootstrap.servers and the network"
        ) from None
    finally:
        state.close()
    Console().print(table)
    return 0 if good else 1


def _preview(feed: Feed, tools: Tools, state: TopicState) -> tuple[list[str], bool]:
    status = state.statuses.get(feed.name)
    in_force = str(sum(state.ledger(feed.name).counts.values()))
    path = tools.spool.directory / "preview.sqlite"
    try:
        pulled = pull(
            feed,
            tools.keys,
            state.denylist_id,
            tools.client,
            None,
            path,
            tools.stop,
            tools.patience,
        )
        assert pulled is not None  # no checkpoint was given, so nothing can be unchanged
        before = parts.complete_counts(tools.seal, status)
        checks.check(
            pulled.judged,
            {signal: count for signal, count in before.items() if signal in feed.signals},
            action=feed.settings.action,
            max_shrink=feed.settings.max_shrink,
            canary=feed.settings.canary is not None,
        )
    except Refused as refused:
        return [refused.reason, in_force, "0", "0", "", refused.advice], False
    tag = tools.keys.feed_tag(feed.name)
    additions = sum(1 for _ in tools.spool.additions(tag, path, b""))
    removals = sum(1 for _ in tools.spool.removals(tag, path, b""))
    set_aside = ", ".join(f"{reason} {count}" for reason, count in sorted(pulled.judged.set_aside.items()))
    return ["ok", in_force, str(additions), str(removals), set_aside, ""], True
