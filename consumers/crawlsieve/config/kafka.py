"""[kafka] and [schema_registry]: settings that go to the client libraries as they are."""

import difflib
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from crawlsieve.config.mistakes import Several, dotted
from crawlsieve.config.section import Section

Scalar = str | int | float | bool

OURS: dict[str, str] = {
    "group.protocol": "transactions are fenced by the classic protocol's generations",
    "partition.assignment.strategy": "partitions move one by one (cooperative-sticky)",
    "group.instance.id": "a static member would keep its partitions while it is gone",
    "isolation.level": "only committed events may get a verdict",
    "auto.offset.reset": "a silent jump would lose events or screen them twice",
    "transactional.id": "it is the fence against zombies, made of group, host and slot",
    "acks": "an acknowledged record must outlive a broker",
    "request.required.acks": "an acknowledged record must outlive a broker",
    "enable.idempotence": "without it retries would double records",
    "transaction.timeout.ms": "set screen.transaction_timeout",
    "session.timeout.ms": "set screen.session_timeout",
    "group.id": "set screen.group or refresh.group",
    "partitioner": "neither partition nor order of clean events may depend on it",
    "enable.partition.eof": "the end of the denylist is known by it",
}
"""Keys that would break a guarantee, with the reason why they are refused."""

_OURS_BEGIN = {"enable.auto.": "offsets are committed by transactions only"}

REGISTRY_KEYS = (
    "basic.auth.credentials.source",
    "basic.auth.user.info",
    "bearer.auth.credentials.source",
    "bearer.auth.token",
    "bearer.auth.client.id",
    "bearer.auth.client.secret",
    "bearer.auth.scope",
    "bearer.auth.issuer.endpoint.url",
    "bearer.auth.logical.cluster",
    "bearer.auth.identity.pool.id",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "proxy",
)
"""Keys of confluent-kafka's registry client that [schema_registry] passes on."""


def why_ours(key: str) -> str | None:
    """The reason why a key of librdkafka is refused, if it is."""
    for beginning, reason in _OURS_BEGIN.items():
        if key.startswith(beginning):
            return reason
    return OURS.get(key)


def flat(table: Mapping[str, object]) -> dict[str, object]:
    """Nested TOML tables as dotted keys: `sasl.username = ...` and `"sasl.username" = ...` mean the same."""
    found: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found.update({f"{key}.{below}": inner for below, inner in flat(value).items()})
        else:
            found[key] = value
    return found


class KafkaSettings(Section):
    """To librdkafka as it is: TLS, SASL and tuning. Some keys carry guarantees and are refused."""

    common: dict[str, Scalar] = Field(default_factory=dict, repr=False)
    """For every client."""
    consumer: dict[str, Scalar] = Field(default_factory=dict, repr=False)
    """For consumers only."""
    producer: dict[str, Scalar] = Field(default_factory=dict, repr=False)
    """For producers only."""

    @model_validator(mode="before")
    @classmethod
    def _sides(cls, table: object) -> object:
        if not isinstance(table, dict):
            raise ValueError('write a table of librdkafka\'s settings, such as "bootstrap.servers" = "kafka:9092"')  # noqa: TRY004  pydantic's way
        rest = dict(table)
        sides = {side: rest.pop(side, {}) for side in ("consumer", "producer")}
        tables = {"common": rest, **sides}
        mistakes = []
        read: dict[str, dict[str, object]] = {}
        for side, inner in tables.items():
            place = "" if side == "common" else f"{side}."
            if not isinstance(inner, dict):
                mistakes.append(f"{place.rstrip('.')}: write a table of librdkafka's settings")
                continue
            read[side] = flat(inner)
            for key, value in read[side].items():
                if not isinstance(value, str | int | float | bool):
                    mistakes.append(f"{place}{dotted((key,))}: write a string, a number or a boolean")
                elif reason := why_ours(key):
                    mistakes.append(f"{place}{dotted((key,))}: is ours: {reason}; leave it out")
        names = {key for side in read.values() for key in side}
        if not names & {"bootstrap.servers", "metadata.broker.list"}:
            near = difflib.get_close_matches("bootstrap.servers", names, 1)
            hint = f"; did you mean it by {dotted((near[0],))}?" if near else ""
            mistakes.append(f'"bootstrap.servers": is missing; write the brokers, such as "kafka:9092"{hint}')
        if mistakes:
            raise Several(mistakes)
        return read

    def client(self, role: Literal["consumer", "producer", "admin"]) -> dict[str, Scalar]:
        """The settings of one client: the common ones, and those of its side on top."""
        side: Mapping[str, Scalar] = {"consumer": self.consumer, "producer": self.producer}.get(role, {})
        return {**self.common, **side}

    @property
    def servers(self) -> str:
        """The brokers to start from, for messages."""
        every = {**self.producer, **self.consumer, **self.common}
        return str(every.get("bootstrap.servers", every.get("metadata.broker.list", "")))


class RegistrySettings(Section):
    """A Schema Registry. Without this section, schemas and ids come from a folder."""

    url: str = Field(repr=False)
    """Where its REST API is, such as http://registry:8081; several, separated by commas."""
    settings: dict[str, str] = Field(default_factory=dict, repr=False)
    """The registry client's further settings, such as basic.auth.user.info, written as keys of this section."""

    @model_validator(mode="before")
    @classmethod
    def _further(cls, table: object) -> object:
        if not isinstance(table, dict):
            raise ValueError('write a table, such as url = "http://registry:8081"')  # noqa: TRY004  pydantic's way
        settings = flat(table)
        mistakes = []
        url = settings.pop("url", None)
        if not isinstance(url, str) or not all(_is_http(one.strip()) for one in url.split(",")):
            mistakes.append("url: write the registry's address, such as http://registry:8081")
        for key, value in settings.items():
            if key not in REGISTRY_KEYS:
                near = difflib.get_close_matches(key, ("url", *REGISTRY_KEYS), 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                mistakes.append(f"{dotted((key,))}: unknown key{hint}")
            elif not isinstance(value, str):
                mistakes.append(f"{dotted((key,))}: write a string")
        if mistakes:
            raise Several(mistakes)
        return {"url": url, "settings": settings}

    def client(self) -> dict[str, Any]:
        """The settings of confluent-kafka's registry client."""
        return {"url": self.url, **self.settings}


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
