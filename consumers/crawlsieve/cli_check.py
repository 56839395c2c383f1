"""What `check-config` can find beyond the file itself: settings that librdkafka does not take."""

import logging
import re

from confluent_kafka import Consumer, KafkaException, Producer

from crawlsieve.config import Config
from crawlsieve.config.kafka import Scalar

_SECRET = re.compile(r"password|secret|token|pem|username|oauthbearer|jaas")
_BROKERS = ("bootstrap.servers", "metadata.broker.list")
_quiet = logging.getLogger("crawlsieve.check-config.librdkafka")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


def refused_by_librdkafka(config: Config) -> list[str]:
    """`key: what is wrong` for each setting that librdkafka does not take. Connects to nothing, repeats no value."""
    kafka = config.kafka
    sides = (("kafka", kafka.common), ("kafka.consumer", kafka.consumer), ("kafka.producer", kafka.producer))
    mistakes = []
    for section, settings in sides:
        for key, value in settings.items():
            fault = _refusal("producer" if section == "kafka.producer" else "consumer", {key: value})
            if fault is None or fault.startswith("Failed to create"):
                continue  # taken by itself; together they are tried below
            known = "No such configuration property" not in fault
            words = "not a value that librdkafka takes" if known else "librdkafka knows no such setting"
            mistakes.append(f'{section}."{key}": {words}; see its CONFIGURATION.md')
    if mistakes:
        return mistakes
    for role in ("consumer", "producer"):
        settings = kafka.client("consumer" if role == "consumer" else "producer")
        if fault := _refusal(role, settings):
            mistakes.append(f"kafka: these settings make no {role} together{_safe(fault, settings)}")
    return mistakes


def _refusal(role: str, settings: dict[str, Scalar]) -> str | None:
    offline = {
        key: value for key, value in settings.items() if key not in ("bootstrap.servers", "metadata.broker.list")
    }
    try:
        if role == "consumer":
            Consumer({"group.id": "check-config", **offline}, logger=_quiet).close()
        else:
            Producer(offline, logger=_quiet)
    except KafkaException as failure:
        return str(failure.args[0].str())
    except (TypeError, ValueError) as failure:
        return type(failure).__name__
    return None


def _safe(fault: str, settings: dict[str, Scalar]) -> str:
    secrets = [str(value) for key, value in settings.items() if _SECRET.search(key)]
    return "" if any(secret and secret in fault for secret in secrets) else f": {fault}"
