"""Fixtures for tests on Apache Kafka: the broker, topics, a configuration, and `crawlsieve` as a process."""

import copy
import json
import os
import secrets
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.broker import Broker, free_port
from tests.kafka.reading import Record, read_committed
from tests.kafka.registry import Registry
from tests.waiting import wait_for

Json = dict[str, Any]


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """The broker that all tests share. Whoever stops, pauses or kills one asks for `own_broker`."""
    with Broker() as running:
        yield running


@pytest.fixture
def own_broker() -> Iterator[Callable[..., Broker]]:
    """Makes and starts brokers of the test's own; takes what Broker takes."""
    made: list[Broker] = []

    def make(settings: Mapping[str, str | int] | None = None) -> Broker:
        made.append(Broker(settings))
        return made[-1].start()

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """The Schema Registry that all tests share. Whoever kills one makes it: `with Registry() as own`."""
    with Registry() as running:
        yield running


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A name that no other test has, fit for topics and groups."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
    return f"{name}-{secrets.token_hex(4)}"


@pytest.fixture
def topics(broker: Broker, unique: str) -> Callable[..., str]:
    """Creates a topic on the shared broker with a name of its own: `topics("events", 3, retention_ms=1000)`."""

    def create(name: str, partitions: int = 1, **settings: str | int) -> str:
        broker.create_topic(f"{unique}.{name}", partitions, **settings)
        return f"{unique}.{name}"

    return create


@pytest.fixture
def committed(broker: Broker) -> Callable[[str], list[Record]]:
    """All records of a topic of the shared broker up to its end, as a read_committed consumer sees them."""
    return lambda topic: read_committed(broker.bootstrap, topic)


@dataclass
class MadeConfig:
    """A configuration file, and what it names."""

    path: Path
    tree: Json
    secret: bytes
    broker: Broker
    group: str
    events: str
    clean: str
    quarantine: str
    dead_letter: str
    receipts: str
    denylist: str
    _copies: int = field(default=0, repr=False)

    def with_(self, **sections: Json) -> "MadeConfig":
        """The same with some settings changed, as a file of its own."""
        self._copies += 1
        tree = merged(self.tree, sections)
        path = self.path.with_name(f"{self.path.stem}-{self._copies}.toml")
        path.write_text(as_toml(tree))
        return MadeConfig(**{**vars(self), "path": path, "tree": tree, "_copies": 0})

    def read(self, topic: str) -> list[Record]:
        """All committed records of one of its topics."""
        return read_committed(self.broker.bootstrap, topic)


def merged(base: Json, over: Mapping[str, Any]) -> Json:
    """The tree with another laid over it; None removes a key."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def as_toml(tree: Mapping[str, Any]) -> str:
    """The tree as TOML: a table for each top-level section, inline tables below."""

    def value_of(value: Any) -> str:
        if isinstance(value, Mapping):
            return "{ " + ", ".join(f"{json.dumps(k)} = {value_of(v)}" for k, v in value.items()) + " }"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(value_of(v) for v in value) + "]"
        return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)

    parts = []
    for section, content in tree.items():
        parts.append(f"[{section}]\n" + "".join(f"{json.dumps(k)} = {value_of(v)}\n" for k, v in content.items()))
    text = "\n".join(parts)
    tomllib.loads(text)
    return text


@pytest.fixture
def make_config(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> Callable[..., MadeConfig]:
    """Writes a configuration with topics and group of its own, and creates the topics.

    `make_config(partitions=4, broker=own, screen={"max_batch": 100}, feeds={...})`: sections go over the defaults.
    """

    def make(
        partitions: int = 1, broker: Broker | None = None, create: bool = True, **sections: Mapping[str, Any]
    ) -> MadeConfig:
        on = broker or request.getfixturevalue("broker")
        name = f"{unique}-{secrets.token_hex(2)}"
        secret = tmp_path / f"{name}.secret"
        key = secrets.token_bytes(32)
        secret.write_bytes(key)
        secret.chmod(0o600)
        names = {
            "clean": f"{name}.clean",
            "quarantine": f"{name}.quarantine",
            "dead_letter": f"{name}.dead-letter",
            "receipts": f"{name}.receipts",
        }
        tree: Json = {
            "kafka": {"bootstrap.servers": on.bootstrap},
            "events": {
                "topic": f"{name}.events",
                "id": "id",
                "signals": {"url": "url", "md5": {"signal": "md5", "optional": True}},
            },
            "denylist": {"topic": f"{name}.denylist", "secret_file": str(secret)},
            "screen": {
                "group": name,
                **names,
                "listen": "127.0.0.1:0",
                "session_timeout": "6s",
                "transaction_timeout": "5s",
            },
            "refresh": {"group": f"{name}-refresh", "listen": "127.0.0.1:0"},
            "log": {"format": "json"},
        }
        tree = merged(tree, sections)
        path = tmp_path / f"{name}.toml"
        path.write_text(as_toml(tree))
        events, denylist = tree["events"]["topic"], tree["denylist"]["topic"]
        if create:
            for topic in (events, names["clean"], names["dead_letter"]):
                on.create_topic(topic, partitions)
            on.create_topic(names["quarantine"], partitions)
            on.create_topic(names["receipts"], 1)
            on.create_topic(denylist, 1, cleanup_policy="compact")
        return MadeConfig(
            path,
            tree,
            key,
            on,
            name,
            events,
            names["clean"],
            names["quarantine"],
            names["dead_letter"],
            names["receipts"],
            denylist,
        )

    return make


class Process:
    """`crawlsieve <verb>` as a process of its own."""

    def __init__(self, verb: str, config: MadeConfig, arguments: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        own = config.with_(screen={"listen": f"127.0.0.1:{port}"}, refresh={"listen": f"127.0.0.1:{port}"})
        own.path = own.path.rename(own.path.with_name(f"{config.path.stem}-{verb}-{port}.toml"))
        self._stderr = own.path.with_suffix(".stderr")
        self._stdout = own.path.with_suffix(".stdout")
        command = [sys.executable, "-m", "crawlsieve.cli", verb, "--config", str(own.path), *arguments]
        with self._stderr.open("wb") as err, self._stdout.open("wb") as out:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **environ}
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    @property
    def stderr(self) -> str:
        """What it has logged."""
        return self._stderr.read_text(errors="replace")

    @property
    def stdout(self) -> str:
        """What it has printed."""
        return self._stdout.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.popen.poll() is None

    def logged(self, event: str) -> list[Json]:
        """Its log lines of this event."""
        lines = (json.loads(line) for line in self.stderr.splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages: /metrics, /live, /ready. (0, "") while it does not listen."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def holds(self) -> Json:
        """The causes for which it is not ready; empty once it is."""
        status, body = self.get("/ready")
        return {} if status == 200 else dict((json.loads(body) if body else {}).get("causes") or {"starting": ""})

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            base, _, rest = series.partition("{")
            if base == name and all(f'{key}="{wanted}"' in rest for key, wanted in labels.items()):
                total += float(value)
        return total

    def wait_ready(self, seconds: float = 60) -> "Process":
        """Waits until /ready says yes; fails with what it logged if it ends instead."""

        def ready() -> bool:
            assert self.running, f"it ended with {self.popen.returncode}:\n{self.stderr[-4000:]}"
            return self.get("/ready")[0] == 200

        wait_for(ready, seconds, lambda: f"not ready:\n{self.stderr[-4000:]}")
        return self

    def signal(self, number: int) -> None:
        """Sends a signal."""
        self.popen.send_signal(number)

    def wait(self, seconds: float = 60) -> int:
        """Its exit code."""
        return self.popen.wait(seconds)

    def terminate(self, seconds: float = 30) -> int:
        """SIGTERM; its exit code."""
        self.popen.terminate()
        return self.wait(seconds)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.popen.kill()
        self.popen.wait()


@pytest.fixture
def process() -> Iterator[Callable[..., Process]]:
    """Starts `crawlsieve <verb>`: `process("screen", config, "--flag", environ={...})`. Ends with the test."""
    started: list[Process] = []

    def start(verb: str, config: MadeConfig, *arguments: str, environ: Mapping[str, str] | None = None) -> Process:
        started.append(Process(verb, config, arguments, environ or {}))
        return started[-1]

    yield start
    for each in started:
        each.kill()
