"""Why a process holds: the causes, what is being done about each, and what an operator can do.

A cause in this process makes the screener leave its group, so that healthy members take its partitions; a cause in the
lists or the input would be the same for them, so the screener keeps its partitions, paused.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Hold:
    """One cause."""

    cause: str
    kind: Literal["process", "input"]
    meaning: str
    doing: str
    """What the process does about it by itself."""
    advice: str
    """What the operator can do."""


_ALL = (
    Hold(
        "denylist-loading",
        "process",
        "The denylist is not in memory yet.",
        "loads it, then joins the group",
        "Wait; if it takes longer than usual, see whether Kafka is slow.",
    ),
    Hold(
        "denylist-wrong-secret",
        "process",
        "The denylist was made with another secret: this process would match nothing and call everything clean.",
        "keeps following the denylist, in case it comes to be made with this secret",
        "Give refreshers and screeners the same denylist.secret_file, then restart this process.",
    ),
    Hold(
        "denylist-checksum",
        "process",
        "A feed's entries do not add up to what its status record says: entries are missing or too many.",
        "drops its copy and loads the denylist anew",
        "If it comes back: check the denylist topic's settings (`crawlsieve topics`), then refresh the feed.",
    ),
    Hold(
        "denylist-canonical-form",
        "process",
        "The denylist's URLs are written in a canonical form that this release can't compute.",
        "keeps following, in case the feeds are pulled anew in a known form",
        "Run the same release of refreshers and screeners.",
    ),
    Hold(
        "denylist-damaged",
        "process",
        "A record of the denylist is malformed or not ours: damaged, forged or foreign.",
        "drops its copy and loads the denylist anew",
        "Find out who may write to the denylist topic; only refreshers should. Then refresh the feed.",
    ),
    Hold(
        "denylist-recreated",
        "process",
        "The denylist topic is another one, or shorter than before, or removals in it may have been missed.",
        "drops its copy and loads the denylist anew",
        "Nothing, if the topic was recreated on purpose and the feeds have been refreshed.",
    ),
    Hold(
        "disk",
        "process",
        "A file that is needed can't be read or written.",
        "tries again",
        "Free some room, or mend the rights of the path in the log line.",
    ),
    Hold(
        "kafka-away",
        "input",
        "Kafka does not answer.",
        "tries again without end, ever less often",
        "Check kafka.bootstrap.servers, the network and the brokers.",
    ),
    Hold(
        "no-feed",
        "input",
        "The denylist has no feed yet: everything would be clean.",
        "waits for the first feed",
        "Start `crawlsieve refresh` with at least one feed, and look at its log.",
    ),
    Hold(
        "feed-incomplete",
        "input",
        "A required feed is only partly written.",
        "waits for its last part",
        "Look at the refresher's log for this feed.",
    ),
    Hold(
        "feed-stale",
        "input",
        "A required feed is older than its max_age.",
        "waits for a newer pull",
        "See why its pulls fail; to go on with the old list for a limited time, set screen.accept_stale.",
    ),
    Hold(
        "canary-missing",
        "input",
        "A feed's test entry is not in the denylist, or no longer matches.",
        "waits for a pull that has it",
        "Ask the partner whether the test entry has changed; then set the feed's canary.",
    ),
    Hold(
        "registry-away",
        "input",
        "A writer schema is needed and the Schema Registry does not answer.",
        "asks again every second",
        "Check schema_registry.url, its credentials and the registry.",
    ),
    Hold(
        "too-many-dead",
        "input",
        "Of the last events, more than screen.max_dead_share could not be vouched for.",
        "tries the batch again from time to time",
        "Compare [events] with the crawler's schema; if the events are as meant, raise screen.max_dead_share.",
    ),
    Hold(
        "output-refused",
        "input",
        "Transactions abort again and again, so no verdict is committed.",
        "tries the batch again every few seconds",
        "See crawlsieve_aborts_total by cause, and compare the output topics with `crawlsieve topics`.",
    ),
    Hold(
        "gap",
        "input",
        "A committed offset is out of range: Kafka has deleted events before they were screened.",
        "bars that partition and goes on with the others",
        "Find out what is lost, then pass the gap with screen.pass_gaps in the words of the log line.",
    ),
)

HOLDS: dict[str, Hold] = {hold.cause: hold for hold in _ALL}
"""By cause."""
