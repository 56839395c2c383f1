"""`crawlsieve demo` as a user starts it, on its embedded broker."""

import subprocess
import sys

from crawlsieve.demo import crawl


def test_it_reconciles_shows_the_change_and_prints_no_url() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crawlsieve.cli", "demo"], capture_output=True, text=True, timeout=120, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "Reconciled, event by event" in done.stdout
    for word in ("withdrawn entry", "added entry", "cancelled", "/metrics", "make test", *crawl.FEEDS):
        assert word in done.stdout
    lists = crawl.make().lists
    secrets = [*lists.pages, *lists.hosts, *lists.md5, *lists.sha256, *lists.pdq, *lists.allowed, lists.withdrawn]
    assert not [value for value in secrets if value.lower() in told.lower()]
