"""The command `crawlsieve`: one verb a process.

Verbs import what they need when they run, so that `crawlsieve --help` is there at once.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from crawlsieve import __version__
from crawlsieve.config import Config, load
from crawlsieve.errors import OperatorError

app = typer.Typer(
    help="Keeps listed material out of AI training data while the data is still being crawled.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="CRAWLSIEVE_CONFIG", help="The TOML file; see docs/configuration.md.")
]


def main() -> None:
    """Runs a verb. An error that only an operator can mend is one line on standard error, and its exit code."""
    try:
        app()
    except OperatorError as error:
        print(f"crawlsieve: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"crawlsieve {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,  # noqa: FBT002
) -> None:
    del version


def _prepare(config_file: Path | None) -> tuple[Config, threading.Event]:
    """Configuration and log; the first SIGTERM or SIGINT sets the event, the second ends the process at once."""
    from crawlsieve.telemetry import log

    config = load(config_file, os.environ)
    log.configure(config.log)
    stop = threading.Event()

    def told(number: int, frame: Any) -> None:
        del frame
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    return config, stop


@app.command()
def screen(config: ConfigFile = None) -> None:
    """Screen events: crawl.events in, clean, quarantined and dead ones out, exactly once."""
    from crawlsieve.screen import service
    from crawlsieve.telemetry.health import Health
    from crawlsieve.telemetry.process import harden
    from crawlsieve.telemetry.server import serve

    settings, stop = _prepare(config)
    harden()
    health = Health()
    with serve(settings.screen.listen, health):
        service.run(settings, health, stop)


@app.command()
def refresh(
    config: ConfigFile = None,
    once: Annotated[bool, typer.Option("--once", help="Pull every feed once, then end.")] = False,  # noqa: FBT002
    feed: Annotated[str | None, typer.Option("--feed", help="Only this feed.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, in counts; write nothing.")] = False,  # noqa: FBT002
) -> None:
    """Pull partners' feeds into the denylist."""
    from crawlsieve.refresh import service
    from crawlsieve.telemetry.health import Health
    from crawlsieve.telemetry.process import harden
    from crawlsieve.telemetry.server import serve

    settings, stop = _prepare(config)
    harden()
    health = Health()
    with serve(settings.refresh.listen, health):
        code = service.run(settings, health, stop, once=once, only=feed, dry_run=dry_run)
    raise typer.Exit(code)


@app.command()
def audit(
    config: ConfigFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Prove from receipts, offsets and outputs that every event has exactly one verdict."""
    from crawlsieve.audit import service

    settings, _ = _prepare(config)
    raise typer.Exit(service.run(settings, as_json=json))


@app.command()
def topics(
    config: ConfigFile = None,
    create: Annotated[bool, typer.Option("--create", help="Create those that are missing.")] = False,  # noqa: FBT002
) -> None:
    """Compare the topics with the design, or create them."""
    from confluent_kafka import KafkaException

    from crawlsieve.kafka import topics as kafka_topics
    from crawlsieve.kafka.failures import describe, operator_error

    settings, _ = _prepare(config)
    try:
        code = kafka_topics.run(settings, create)
    except KafkaException as failure:
        known = operator_error(failure, settings.events.topic)
        raise known or OperatorError(f"Kafka does not answer ({describe(failure)}): check bootstrap.servers") from failure
    raise typer.Exit(code)


@app.command()
def publish(
    files: Annotated[list[Path], typer.Argument(help="Parquet or CSV files with crawl metadata, or folders of them.")],
    config: ConfigFile = None,
) -> None:
    """Publish crawl metadata as events."""
    from crawlsieve.events import publish as events_publish

    settings, stop = _prepare(config)
    raise typer.Exit(events_publish.run(settings, files, stop))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running to look around, until Ctrl-C.")] = False,  # noqa: FBT002
) -> None:
    """Run everything on an embedded broker, on real rows, in half a minute."""
    from crawlsieve.demo import service

    raise typer.Exit(service.run(keep))


@app.command("check-config")
def check_config(config: ConfigFile = None) -> None:
    """Say everything that is wrong with the configuration, or that it is right."""
    settings = load(config, os.environ)
    feeds = ", ".join(settings.feeds) or "none"
    typer.echo(f"ok: events from {settings.events.topic}, group {settings.screen.group}, feeds: {feeds}")


@app.command("new-secret")
def new_secret(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file to write, for its owner only.")] = None,
) -> None:
    """Make a secret for the denylist: 32 random bytes, as base64."""
    import base64
    import secrets

    text = base64.b64encode(secrets.token_bytes(32)).decode()
    if output is None:
        typer.echo(text)
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OperatorError(f"{output} exists already: a denylist can't change its secret; choose another name") from None
    except OSError as fault:
        raise OperatorError(f"{output} can't be written: {fault.strerror}") from None
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    main()
