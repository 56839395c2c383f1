"""Events and lists for the benchmark: real URLs of LAION's metadata, made distinct; listed ones have other hosts."""

import hashlib
import random
import time
from collections.abc import Iterable, Iterator
from importlib import resources
from itertools import cycle, islice
from pathlib import Path

import pyarrow.parquet
from confluent_kafka import Producer

from crawlsieve.kafka import wire

WIDTHS = ("exact", "page", "prefix", "host")


def urls(count: int, seed: int) -> Iterator[str]:
    """`count` distinct URLs with the lengths, hosts and paths of real ones."""
    with resources.as_file(resources.files("crawlsieve.demo") / "laion.parquet") as path:
        real = pyarrow.parquet.read_table(path, columns=["URL"])["URL"].to_pylist()
    chance = random.Random(seed)
    for number in range(count):
        url = chance.choice(real)
        yield f"{url}{'&' if '?' in url else '?'}v={number:x}"


def events(count: int) -> Iterator[bytes]:
    """`count` events of about 200 bytes, with URL and MD5, in the wire format."""
    schema, chance = wire.own("crawl-event"), random.Random(1)
    for number, url in enumerate(urls(count, seed=2)):
        record = {
            "id": f"{number:012x}",
            "url": url,
            "crawled_at": 1_700_000_000_000,
            "image_md5": chance.randbytes(16).hex(),
            "caption": "what the page says of the picture",
        }
        yield wire.encode(schema, record)


def publish(bootstrap: str, topic: str, partitions: int, values: Iterable[bytes], rate: float | None = None) -> float:
    """Writes events at `rate` a second, or as fast as it goes; returns their mean size in bytes."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    size = count = 0
    started = time.monotonic()
    for value in values:
        size += len(value)
        while True:
            try:
                producer.produce(topic, value, partition=count % partitions)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        if rate is not None and count % 64 == 0:
            producer.poll(0)
            time.sleep(max(started + count / rate - time.monotonic(), 0))
    producer.flush()
    return size / count


def publish_steadily(bootstrap: str, topic: str, partitions: int, rate: float, seconds: float) -> None:
    """Writes events at a steady rate. They are made beforehand and repeat, so that making them takes no CPU away."""
    made = list(events(20_000))
    publish(bootstrap, topic, partitions, islice(cycle(made), round(rate * seconds)), rate)


def write_lists(folder: Path, count: int) -> str:
    """Writes lists of `count` URLs, a quarter a width, and `count` MD5 digests; returns the TOML of their feeds."""
    config = []
    listed = urls(count, seed=3)
    for width in WIDTHS:
        path = folder / f"{width}.txt"
        with path.open("w") as file:
            for number in range(count // len(WIDTHS)):
                scheme, _, rest = next(listed).partition("://")
                host, _, tail = rest.partition("/")
                place = f"n{number}.{host.split(':')[0]}.listed.example"
                tail = "" if width == "host" else tail.split("?")[0] if width == "prefix" else tail
                file.write(f"{scheme}://{place}/{tail}\n")
        config.append(f'[feeds.{width}]\nkind = "list"\nsource = "{path}"\nformat = "text"\nmatch = "{width}"\n')
    path = folder / "md5.txt"
    with path.open("w") as file:
        file.writelines(f"{hashlib.md5(b'listed%d' % number).hexdigest()}\n" for number in range(count))
    config.append(f'[feeds.md5]\nkind = "list"\nsource = "{path}"\nformat = "text"\nsignal = "md5"\n')
    return "\n".join(config)
