"""One node of Apache Kafka (KRaft, broker and controller in one) on free ports of loopback."""

import atexit
import base64
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

_LIBS = Path(__file__).parents[2] / ".cache" / "kafka" / "libs"

# A broker that shows within a second or two what takes a minute or a day with Kafka's own settings.
_SETTINGS: dict[str, str | int] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": 4,
    "offsets.topic.replication.factor": 1,
    "offsets.retention.check.interval.ms": 1000,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
    # Kept for ever unless the topic says otherwise: records of tests often have timestamps of long ago.
    "log.retention.ms": -1,
    "log.initial.task.delay.ms": 500,
    "log.retention.check.interval.ms": 1000,
    "log.cleaner.backoff.ms": 500,
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    "num.network.threads": 2,
    "num.io.threads": 4,
    # One controller has nobody to be elected against, and a broker that is told to stop should not wait for itself.
    "controlled.shutdown.enable": "false",
    "controller.quorum.election.timeout.ms": 200,
    "controller.quorum.fetch.timeout.ms": 500,
    # A broker that was killed is let in again only when the session of its former life has ended.
    "broker.session.timeout.ms": 1500,
    "broker.heartbeat.interval.ms": 300,
}
_QUICK_JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_STARTS = 3
_FULL_JVM = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC")


class BrokerError(RuntimeError):
    """The broker, or a Kafka tool, did not do what it was told; the text ends with what it printed."""


def free_port() -> int:
    """A port outside the range that the kernel hands to clients.

    Inside it, a client that keeps connecting to a broker that is down can be given the broker's own port as its
    source, connect to itself, and so keep the broker from coming back.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Broker:
    """An Apache Kafka node that a test may start, stop, kill, pause and restart. Its data lives as long as it does."""

    def __init__(self, settings: Mapping[str, str | int] | None = None, *, full: bool = False) -> None:
        """settings: broker properties over those of this module. full: the JVM as in production, for benchmarks."""
        if not any(_LIBS.glob("kafka_2.13-*.jar")):
            raise BrokerError("the jars of Apache Kafka are missing: run `make kafka-jars`")
        self._jvm = _FULL_JVM if full else _QUICK_JVM
        self._folder = Path(tempfile.mkdtemp(prefix="crawlsieve-kafka-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False
        self._has_run = False
        self.port, controller = free_port(), free_port()
        properties = {
            **_SETTINGS,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": self._folder / "data",
            **(settings or {}),
        }
        self._properties = self._folder / "server.properties"
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        self._log = self._folder / "server.log"
        atexit.register(self.close)
        self._format()

    @property
    def bootstrap(self) -> str:
        """The address for `bootstrap.servers`."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the broker has printed: warnings and errors."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _java(self, name: str, *arguments: str, jvm: tuple[str, ...]) -> list[str]:
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", *jvm, quiet, "-cp", f"{_LIBS}/*", name, *arguments]

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        self.tool("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties))

    def start(self, timeout: float = 60) -> "Broker":
        """Starts it and waits until it answers; raises BrokerError if it does not within `timeout` seconds.

        A single node that is killed and started at once can lose the leadership of an offsets partition while it loads
        that, and then never answers for its groups again ("Stopped loading records from __consumer_offsets"). With no
        other node to fail over to, only another start helps.
        """
        for _ in range(_STARTS):
            self._start_once(timeout)
            if not self._has_run or self._coordinators_answer():
                self._has_run = True
                return self
            self.kill()
        raise BrokerError(f"Apache Kafka does not answer for its groups:\n{self.log[-4000:]}")

    def _coordinators_answer(self) -> bool:
        """Whether groups of every offsets partition get an answer. These four names fall into the four partitions."""
        for group in "abcd":
            asking = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0})
            try:
                asking.committed([TopicPartition("any", 0)], timeout=10)
            except KafkaException:
                return False
            finally:
                asking.close()
        return True

    def _start_once(self, timeout: float) -> None:
        assert self._process is None, "it is running already"
        command = self._java("kafka.Kafka", str(self._properties), jvm=self._jvm)
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self._folder, start_new_session=True
            )
        deadline = time.monotonic() + timeout
        while not self._listening():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise BrokerError(f"Apache Kafka did not start:\n{self.log[-4000:]}")
            time.sleep(0.05)
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise BrokerError(f"Apache Kafka does not answer:\n{self.log[-4000:]}")

    def _listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _answers(self) -> bool:
        try:
            return bool(self.admin().list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def admin(self) -> AdminClient:
        """A new admin client."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def stop(self) -> None:
        """SIGTERM: logs are flushed and closed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as if the machine's power failed (the page cache survives)."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        if self._paused:
            process.send_signal(signal.SIGCONT)
            self._paused = False
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Starts it again on the same ports and data, after stop() or kill(), or stops it first."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self._paused = False

    def tool(self, name: str, *arguments: str) -> str:
        """What one of Kafka's tools prints, for one org.apache.kafka.tools.GetOffsetShell. Raises BrokerError."""
        command = self._java(name, *arguments, jvm=("-Xmx256m", *_QUICK_JVM[2:]))
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            raise BrokerError(f"{name} exited with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
        return done.stdout

    def hanging_transactions(self) -> list[str]:
        """Transactions that Kafka's own tool finds open with no producer to end them: one line of its table each."""
        table = self.tool(
            "org.apache.kafka.tools.TransactionsCommand",
            *(
                "--bootstrap-server",
                self.bootstrap,
                "find-hanging",
                "--broker-id",
                "1",
                "--max-transaction-timeout",
                "0",
            ),
        )
        return [line for line in table.splitlines()[1:] if line.strip()]

    def create_topic(self, name: str, partitions: int = 1, **settings: str | int) -> None:
        """Creates a topic; settings with underscores for dots (`retention_ms=1000`). Returns once it can be used."""
        config = {key.replace("_", "."): str(value) for key, value in settings.items()}
        admin = self.admin()
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(30)
        while (known := admin.list_topics(name, timeout=10).topics[name]).error or len(known.partitions) < partitions:
            time.sleep(0.02)

    def delete_topic(self, name: str) -> None:
        """Deletes a topic and waits until it is gone."""
        admin = self.admin()
        admin.delete_topics([name])[name].result(30)
        while name in admin.list_topics(timeout=10).topics:
            time.sleep(0.02)

    def add_partitions(self, name: str, total: int) -> None:
        """Grows a topic to `total` partitions."""
        admin = self.admin()
        admin.create_partitions([NewPartitions(name, total)])[name].result(30)

    def close(self) -> None:
        """Ends the process and removes its data."""
        self.kill()
        atexit.unregister(self.close)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Broker":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
