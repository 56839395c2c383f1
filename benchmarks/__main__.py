"""The whole filter against the bare loop, on one Apache Kafka, in one run: `make bench`.

Rates are taken from outside, the same way for both: the group's committed offsets, asked for every 50 ms. Between the
moments at which a tenth and all of the events are committed lie the events, the seconds and the CPU that count.
"""

import argparse
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import OFFSET_END, Consumer, ConsumerGroupTopicPartitions, TopicPartition
from rich.console import Console
from rich.table import Table
from tests.kafka.broker import Broker

from benchmarks import workload
from crawlsieve.config import load
from crawlsieve.kafka import clients

PARTITIONS = 4
EVENTS = "crawl.events"
# What the settings hold that no other process can be given.
_OBJECTS = ("error_cb", "logger")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Run:
    """What one process did."""

    rate: float
    """Events a second."""
    cpu: float
    """Microseconds of CPU an event, all threads of the process."""
    pss: float
    """MiB, proportional set size at the end."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def pss_mib(pid: int) -> float:
    """Proportional set size."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no Pss in smaps_rollup")


def committed(broker: Broker, group: str) -> int:
    """Events that the group has committed, all partitions together."""
    asked = [ConsumerGroupTopicPartitions(group)]
    try:
        found = broker.admin_client.list_consumer_group_offsets(asked)[group].result(10)
    except Exception:
        return 0  # the group's coordinator is not there yet
    return sum(max(tp.offset, 0) for tp in found.topic_partitions)


def measure(broker: Broker, command: list[str], group: str, count: int, log: Path) -> Run:
    """Runs a process until its group has committed `count` events."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        began: tuple[float, float, int] | None = None
        deadline = time.monotonic() + 600
        while (done := committed(broker, group)) < count:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not finish: {log.read_text()[-2000:]}")
            if began is None and done >= count / 10:
                began = (time.monotonic(), cpu_seconds(process.pid), done)
            time.sleep(0.05)
        if began is None:
            raise RuntimeError("all events were committed at once: use more of them")
        seconds, cpu, events = time.monotonic() - began[0], cpu_seconds(process.pid) - began[1], done - began[2]
        return Run(events / seconds, cpu / events * 1e6, pss_mib(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def latency(broker: Broker, config: Path, clean: str, rate: float, seconds: float, log: Path) -> tuple[float, float]:
    """p50 and p99 in ms from an event's timestamp to its arrival at a read_committed reader of one partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": secrets.token_hex(4),
            "isolation.level": "read_committed",
            "auto.offset.reset": "latest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        }
    )
    consumer.assign([TopicPartition(clean, 0, OFFSET_END)])
    delays: list[float] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            for message in consumer.consume(1000, 0.02):
                if message.error() is None:
                    delays.append(time.time() * 1000 - message.timestamp()[1])  # noqa: PERF401 - the time is now

    with log.open("wb") as out:
        process = subprocess.Popen(screen_command(config), stdout=out, stderr=out)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        code = "from benchmarks import workload; "
        code += f"workload.publish_steadily({broker.bootstrap!r}, {EVENTS!r}, {PARTITIONS}, {rate}, {seconds})"
        time.sleep(8)  # joining the group and loading the denylist are not what is measured
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
        time.sleep(2)
    finally:
        stop.set()
        reader.join()
        consumer.close()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    settled = delays[len(delays) // 10 :]
    cuts = statistics.quantiles(settled, n=100)
    return cuts[49], cuts[98]


def screen_command(config: Path) -> list[str]:
    """`crawlsieve screen` of this very environment."""
    return [str(Path(sys.executable).parent / "crawlsieve"), "screen", "--config", str(config)]


def configure(folder: Path, broker: Broker, feeds: str, group: str, clean: str) -> Path:
    """A configuration file for one run of the screener."""
    secret = folder / "secret"
    if not secret.exists():
        secret.write_bytes(secrets.token_bytes(32))
    path = folder / f"{group}.toml"
    path.write_text(
        f'[kafka]\n"bootstrap.servers" = "{broker.bootstrap}"\n'
        f'[events]\ntopic = "{EVENTS}"\nsignals.url = "url"\n'
        'signals.image_md5 = {signal = "md5", encoding = "hex", optional = true}\n'
        f'[denylist]\nsecret_file = "{secret}"\n'
        f'[screen]\ngroup = "{group}"\nclean = "{clean}"\nlisten = "127.0.0.1:0"\n'
        '[refresh]\nlisten = "127.0.0.1:0"\n'
        f"{feeds}\n"
    )
    return path


def main() -> None:
    """Prints the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--entries", type=int, default=1_000_000, help="of each kind: URLs (four widths), MD5")
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--latency-seconds", type=float, default=20)
    chosen = options.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="crawlsieve-bench-") as name, Broker(full=True) as broker:
        folder = Path(name)
        broker.admin_client = broker.admin()
        broker.create_topic(EVENTS, PARTITIONS)
        for topic, partitions in (("crawl.quarantine", 4), ("crawl.dead-letter", 4), ("crawl.receipts", 1)):
            broker.create_topic(topic, partitions)
        broker.create_topic("denylist", 1, cleanup_policy="compact")
        size = workload.publish(broker.bootstrap, EVENTS, PARTITIONS, workload.events(chosen.events))
        console.print(f"{chosen.events:,} events of {size:.0f} bytes on {PARTITIONS} partitions")
        feeds = workload.write_lists(folder, chosen.entries)
        started = time.monotonic()
        config = configure(folder, broker, feeds, "refresh", "unused")
        subprocess.run(
            [screen_command(config)[0], "refresh", "--once", "--config", str(config)],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        seconds = time.monotonic() - started
        console.print(
            f"{2 * chosen.entries:,} entries to Kafka in {seconds:.0f} s ({2 * chosen.entries / seconds:,.0f}/s)"
        )
        bare: list[Run] = []
        ours: list[Run] = []
        for pair in range(chosen.pairs):
            clean, group = f"bare-{pair}", f"bare-{pair}"
            broker.create_topic(clean, PARTITIONS)
            settings = load(configure(folder, broker, feeds, group, clean), {})
            task = {
                "consumer": {k: v for k, v in clients.screen_consumer(settings, print).items() if k not in _OBJECTS},
                "producer": {
                    k: v for k, v in clients.screen_producer(settings, group, print).items() if k not in _OBJECTS
                },
                "source": EVENTS,
                "target": clean,
                "batch": settings.screen.max_batch,
                "delay": settings.screen.max_delay.total_seconds(),
            }
            command = [sys.executable, str(Path(__file__).parent / "bare_loop.py"), json.dumps(task)]
            bare.append(measure(broker, command, group, chosen.events, folder / "bare.log"))
            clean, group = f"clean-{pair}", f"screen-{pair}"
            broker.create_topic(clean, PARTITIONS)
            config = configure(folder, broker, feeds, group, clean)
            ours.append(measure(broker, screen_command(config), group, chosen.events, folder / "screen.log"))
            console.print(f"pair {pair + 1}: bare {bare[-1].rate:,.0f}/s, screen {ours[-1].rate:,.0f}/s")
        table = Table("figure", "bare loop", "screen", "ratio", "reach")

        def middle(runs: list[Run], figure: str) -> float:
            return statistics.median(getattr(run, figure) for run in runs)

        rate, cpu, pss = ((middle(bare, f), middle(ours, f)) for f in ("rate", "cpu", "pss"))
        table.add_row("events/s", f"{rate[0]:,.0f}", f"{rate[1]:,.0f}", f"{rate[1] / rate[0]:.2f}", ">= 0.8")
        table.add_row("client CPU, us/event", f"{cpu[0]:.2f}", f"{cpu[1]:.2f}", f"{cpu[1] / cpu[0]:.2f}", "<= 1.7")
        table.add_row("PSS, MiB", f"{pss[0]:.0f}", f"{pss[1]:.0f}", f"+{pss[1] - pss[0]:.0f} MiB", "<= +100 MB")
        if chosen.latency_seconds:
            p50, p99 = latency(
                broker, config, clean, middle(ours, "rate") / 2, chosen.latency_seconds, folder / "latency.log"
            )
            table.add_row("produce to clean, p50 / p99", "", f"{p50:.0f} / {p99:.0f} ms", "", "p99 <= 300 ms")
        console.print(table)


if __name__ == "__main__":
    main()
