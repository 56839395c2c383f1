"""What `topics` finds wrong with existing topics."""

from crawlsieve.kafka.topics import Wanted, faults_of

WANTED = Wanted(
    "t", created_with=4, partitions=4, settings={"cleanup.policy": "delete"}, at_least={"retention.ms": 1000}
)


def test_a_topic_as_designed_has_no_faults() -> None:
    assert faults_of(WANTED, 4, {"cleanup.policy": "delete", "retention.ms": "1000"}) == []
    assert faults_of(WANTED, 4, {"cleanup.policy": "delete", "retention.ms": "-1"}) == []


def test_every_fault_is_named_with_what_would_be_right() -> None:
    assert faults_of(WANTED, 3, {"cleanup.policy": "compact", "retention.ms": "999"}) == [
        "has 3 partitions: 4 would be right",
        "cleanup.policy is compact: delete would be right",
        "retention.ms is 999: at least 1000 would be right",
    ]
