"""Reads, audits and reports."""

import dataclasses
import json
import sys

from rich.console import Console
from rich.status import Status
from rich.table import Table

from crawlsieve.audit import reading
from crawlsieve.audit.chain import Report, audit
from crawlsieve.config import Config

# Of the kinds of trouble there are few; of their places there may be millions. --json has them all.
_SHOWN = 50


def collect(config: Config) -> Report:
    """The audit of the group's work on the events topic. Raises OperatorError if something can't be read."""
    console = Console(stderr=True)
    with console.status("reading") as status, reading.Reader(config, _teller(console, status)) as reader:
        # In this order, what the group commits meanwhile can only add receipts without outputs, never the reverse.
        before = reading.committed(config)
        outputs = reading.outputs(reader, config)
        links = list(reading.links(reader, config))
        return audit(links, outputs, reading.group_offsets(config, before))


def run(config: Config, *, as_json: bool = False) -> int:
    """Prints a report; returns 0 if everything is proven, 1 on any gap, overlap or mismatch.

    Memory grows with the receipts (about 300 bytes for each of their partitions) and with the quarantined and dead
    events; clean events are only counted. Raises OperatorError if something can't be read.
    """
    report = collect(config)
    if as_json:
        json.dump({"proven": not report.findings, **dataclasses.asdict(report)}, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        show(report, Console())
    return 1 if report.findings else 0


def show(report: Report, console: Console) -> None:
    """The report as tables."""
    sums = Table()
    sums.add_column("input", overflow="fold")
    for name in ("receipts", "end", "committed", "read", "clean", "quarantined", "dead"):
        sums.add_column(name, justify="right")
    for row in report.rows:
        numbers = (row.receipts, row.end, row.committed, row.read, row.clean, row.quarantined, row.dead)
        sums.add_row(f"{row.source.topic}/{row.source.partition}", *("-" if n is None else f"{n:,}" for n in numbers))
    console.print(sums)
    versions = Table()
    versions.add_column("input", overflow="fold")
    for name in ("from", "to", "denylist", "version in force"):
        versions.add_column(name, justify="right")
    for run_ in report.in_force[-_SHOWN:]:
        name = f"{run_.source.topic}/{run_.source.partition}"
        versions.add_row(name, str(run_.start), str(run_.end), run_.denylist_id[:8], str(run_.version))
    console.print(versions)
    if len(report.in_force) > _SHOWN:
        console.print(f"(the newest {_SHOWN} of {len(report.in_force)} runs of versions; --json has all)")
    for note in report.notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    for finding in report.findings[:_SHOWN]:
        console.print(f"{finding.kind}: {finding.where}: {finding.text}", style="red", highlight=False, soft_wrap=True)
    if len(report.findings) > _SHOWN:
        console.print(f"... and {len(report.findings) - _SHOWN} more; --json has all", style="red")
    if not report.rows and not report.findings:
        console.print("there are no receipts of this group yet: nothing was read, and nothing is proven")
    elif not report.findings:
        console.print("proven: every offset that was read has exactly one verdict", style="green")


def _teller(console: Console, status: Status) -> reading.Tell:
    def tell(topic: str, count: int) -> None:
        if console.is_terminal:
            status.update(f"{topic}: {count:,} records read")

    return tell
