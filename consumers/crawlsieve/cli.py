"""The command `crawlsieve`: one verb a process.

Verbs import what they need when they run, so that `crawlsieve --help` is there at once.
"""

import base64
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from crawlsieve import __version__
from crawlsieve.config import Config, load
from crawlsieve.errors import ConfigError, OperatorError
from crawlsieve.telemetry import log
from crawlsieve.telemetry.faults import in_one_line
from crawlsieve.telemetry.health import Health

_BUG = 70  # sysexits.h: EX_SOFTWARE

app = typer.Typer(
    help="Keeps listed material out of AI training data while the data is still being crawled.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="CRAWLSIEVE_CONFIG", help="The TOML file; see docs/configuration.md."),
]


def main() -> None:
    """Runs a verb. Exits with 1 on what an operator has to mend, with 2 on a wrong configuration or usage."""
    try:
        app()
    except OperatorError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except Exception as fault:  # its text may hold what no log may
        _complain(f"broke down: {in_one_line(fault)}. This is a defect: please report this line")
        sys.exit(_BUG)


def _complain(text: str) -> None:
    sys.stderr.write(f"crawlsieve: {text}\n")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crawlsieve {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def _configured(path: Path | None) -> Config:
    """The configuration, once the log is set up by it."""
    config = load(path, os.environ)
    log.configure(config.log)
    return config


_LEAVING_SECONDS = 9.0
"""A process that is told to leave is gone by then, whatever it waits for."""


def stop_on_signals() -> threading.Event:
    """Set by the first SIGTERM or SIGINT; the second ends the process at once, with 128 and the signal's number."""
    stop = threading.Event()

    def told(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()
        # A broker that does not answer can hold up any of the farewells. What is left open, its coordinator settles.
        overdue = threading.Timer(_LEAVING_SECONDS, os._exit, (128 + number,))
        overdue.daemon = True
        overdue.start()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    return stop


@contextmanager
def _served(listen: str) -> Iterator[Health]:
    """The surroundings of a process that runs for long: kept out of core dumps, and watched over HTTP."""
    from crawlsieve.telemetry.metrics import BUILD_INFO
    from crawlsieve.telemetry.process import harden
    from crawlsieve.telemetry.server import serve

    harden()
    BUILD_INFO.set(1, version=__version__)
    health = Health()
    with serve(listen, health):
        yield health


@contextmanager
def _kafka_away(config: Config) -> Iterator[None]:
    """Turns what Kafka refuses a verb that ends by itself into one clear error."""
    from confluent_kafka import KafkaException

    from crawlsieve.kafka.failures import describe, operator_error

    try:
        yield
    except KafkaException as failure:
        known = operator_error(failure, config.events.topic)
        away = OperatorError(
            f"Kafka at {config.kafka.servers} does not answer as it should ({describe(failure)}): "
            "check kafka.bootstrap.servers, the network and the brokers"
        )
        raise known or away from None


@app.command()
def screen(config: ConfigFile = None) -> None:
    """Screen events: crawl.events in, clean, quarantined and dead ones out, exactly once."""
    from crawlsieve.screen import service

    settings, stop = _configured(config), stop_on_signals()
    with _served(settings.screen.listen) as health:
        service.run(settings, health, stop)


@app.command()
def refresh(
    config: ConfigFile = None,
    once: Annotated[bool, typer.Option("--once", help="Pull every feed once, then end.")] = False,
    feed: Annotated[str | None, typer.Option("--feed", help="Only this feed.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, in counts; write nothing.")
    ] = False,
) -> None:
    """Pull partners' feeds into the denylist."""
    from crawlsieve.refresh import service

    settings, stop = _configured(config), stop_on_signals()
    with _served(settings.refresh.listen) as health:
        code = service.run(settings, health, stop, once=once, only=feed, dry_run=dry_run)
    raise typer.Exit(code)


@app.command()
def audit(
    config: ConfigFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove from receipts, offsets and outputs that every event has exactly one verdict."""
    from crawlsieve.audit import service

    settings = _configured(config)
    with _kafka_away(settings):
        raise typer.Exit(service.run(settings, as_json=json))


@app.command()
def topics(
    config: ConfigFile = None,
    create: Annotated[bool, typer.Option("--create", help="Create those that are missing.")] = False,
) -> None:
    """Compare the topics with the design, or create them."""
    from crawlsieve.kafka import topics as kafka_topics

    settings = _configured(config)
    with _kafka_away(settings):
        raise typer.Exit(kafka_topics.run(settings, create))


@app.command()
def publish(
    files: Annotated[list[Path], typer.Argument(help="Parquet or CSV files with crawl metadata, or folders of them.")],
    config: ConfigFile = None,
) -> None:
    """Publish crawl metadata as events."""
    from crawlsieve.events import publish as events_publish

    settings, stop = _configured(config), stop_on_signals()
    with _kafka_away(settings):
        raise typer.Exit(events_publish.run(settings, files, stop))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running to look around, until Ctrl-C.")] = False,
) -> None:
    """Run everything on an embedded broker, on real rows, in half a minute."""
    from crawlsieve.demo import service

    raise typer.Exit(service.run(keep))


@app.command("check-config")
def check_config(config: ConfigFile = None) -> None:
    """Say everything that is wrong with the configuration, or that it is right."""
    from crawlsieve.cli_check import refused_by_librdkafka

    settings = load(config, os.environ)
    if mistakes := refused_by_librdkafka(settings):
        raise ConfigError(f"{config or 'the configuration'} is refused:\n  " + "\n  ".join(mistakes))
    screening = settings.screen
    outputs = (screening.clean, screening.quarantine, screening.dead_letter, screening.receipts)
    typer.echo("ok")
    typer.echo(f"brokers   {settings.kafka.servers}")
    typer.echo(f"events    {settings.events.topic}: {', '.join(settings.events.signals)}")
    typer.echo(f"outputs   {', '.join(outputs)}")
    typer.echo(f"denylist  {settings.denylist.topic}")
    for name, feed in settings.feeds.items():
        typer.echo(f"feed      {name}: {feed.action}, {feed.format}{', required' if feed.required else ''}")


@app.command("new-secret")
def new_secret(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file to write, for its owner only.")] = None,
) -> None:
    """Make a secret for the denylist: 32 random bytes, as base64."""
    text = base64.b64encode(secrets.token_bytes(32)).decode() + "\n"
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OperatorError(
            f"{output} exists already, and the denylist made with it can't be read with another: name a new file"
        ) from None
    except OSError as fault:
        raise OperatorError(f"{output} can't be written ({fault.strerror}): mend its folder, or name another") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    main()
