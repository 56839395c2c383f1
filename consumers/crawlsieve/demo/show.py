"""What the demo shows. No URL and no fingerprint is ever printed, not even here."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

from crawlsieve.audit.chain import Report
from crawlsieve.demo.readback import Ledger

_LINE_EVERY_SECONDS = 2.0


@dataclass
class Progress:
    """The state at one moment. Only for looking at: the account at the end is read back from the topics."""

    step: str
    published: int
    clean: int
    quarantined: int
    dead: int
    held: str
    version: int

    @property
    def screened(self) -> int:
        """Events with a committed verdict."""
        return self.clean + self.quarantined + self.dead


@contextmanager
def live(console: Console, look: Callable[[], Progress]) -> Iterator[Callable[[], None]]:
    """Shows progress whenever the function that it gives is called: a live table on a terminal, lines elsewhere."""
    if console.is_terminal:
        with Live(_table(look()), console=console, refresh_per_second=10) as view:
            yield lambda: view.update(_table(look()))
            view.update(_table(look()))
        return
    shown, step = 0.0, ""

    def line() -> None:
        nonlocal shown, step
        now = look()
        if now.step != step or time.monotonic() - shown > _LINE_EVERY_SECONDS:
            shown, step = time.monotonic(), now.step
            console.print(
                f"{now.step}: published {now.published}, screened {now.screened}, clean {now.clean}, "
                f"quarantined {now.quarantined}, dead {now.dead}, denylist version {now.version}"
                + (f", on hold: {now.held}" if now.held else ""),
                highlight=False,
                soft_wrap=True,
            )

    yield line


def _table(now: Progress) -> Table:
    table = Table(title=now.step, title_justify="left", min_width=76)
    for name in ("published", "screened", "clean", "quarantined", "dead", "version", "on hold"):
        table.add_column(name, justify="right")
    numbers = (now.published, now.screened, now.clean, now.quarantined, now.dead, now.version)
    table.add_row(*(f"{n:,}" for n in numbers), now.held or "no")
    return table


def ledger(console: Console, found: Ledger, report: Report) -> None:
    """The account, read back from the topics."""
    console.print()
    account = Table("read back from the topics", "events", title="Where every event went", title_justify="left")
    account.columns[1].justify = "right"
    account.add_row("crawl.events", f"{found.read:,}", style="bold")
    account.add_row("= crawl.clean", f"{found.clean:,}")
    account.add_row("+ crawl.quarantine", f"{found.quarantined:,}")
    for (feed, signal), n in sorted(found.by_feed.items()):
        account.add_row(f"    {feed}, by {signal}", f"{n:,}", style="dim")
    account.add_row("+ crawl.dead-letter", f"{found.dead:,}")
    for reason, n in sorted(found.by_reason.items()):
        account.add_row(f"    {reason}", f"{n:,}", style="dim")
    for feed, n in sorted(found.cancelled.items()):
        account.add_row(f"matches of {feed} that the allow list cancelled", f"{n:,}", style="dim")
    console.print(account)
    console.print("(one event may match several lists)", style="dim")
    if found.changed_at is not None:
        effect = Table("page", "before", "after", title_justify="left")
        effect.title = f"The list that changed while events flowed, by denylist version {found.changed_at}"
        for name, seen in found.effects.items():
            sides = (f"{hit} of {n} events quarantined" for n, hit in (seen.before, seen.after))
            effect.add_row(f"{name} entry", *sides)
        console.print(effect)
    for fault in found.faults:
        console.print(f"does not reconcile: {fault}", style="red", highlight=False)
    for finding in report.findings:
        console.print(f"audit: {finding.kind}: {finding.where}: {finding.text}", style="red", highlight=False)
    if not found.faults and not report.findings:
        total = f"{found.read:,} = {found.clean:,} + {found.quarantined:,} + {found.dead:,}"
        console.print(
            f"Reconciled, event by event: {total}; the receipts' chain is whole.", style="green", soft_wrap=True
        )
