"""A private folder with what a user would write: the configuration, the secret, and the partners' lists."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from crawlsieve.config import Config, load
from crawlsieve.demo.crawl import Lists

_CONFIG = """\
[kafka]
"bootstrap.servers" = "{bootstrap}"
"log_level" = 2                            # the embedded broker's end is no news

[events]
signals.url = "url"
signals.image_md5 = {{ signal = "md5", encoding = "hex", optional = true }}
signals.image_sha256 = {{ signal = "sha256", encoding = "bytes", optional = true }}
signals."hashes.pdq" = {{ signal = "pdq", encoding = "hex", optional = true }}

[denylist]
secret_file = "{folder}/secret"

[screen]
max_delay = "50ms"

[feeds.pages]
source = "{folder}/pages.txt"
format = "text"
category = "demo"
every = "1s"

[feeds.hosts]
source = "{folder}/hosts.csv"
format = "csv"
columns = {{ url = "Host" }}
match = "host"
category = "demo"
every = "1h"
overruled_by = ["allowed"]

[feeds.md5-list]
source = "{folder}/md5.csv"
format = "csv"
columns = {{ md5 = "MD5" }}
category = "demo"
every = "1h"

[feeds.sha256-list]
source = "{folder}/sha256.ndjson"
format = "ndjson"
columns = {{ sha256 = "sha256" }}
category = "demo"
every = "1h"

[feeds.pdq-list]
source = "{folder}/pdq.parquet"
format = "parquet"
columns = {{ pdq = "hash" }}
max_distance = {{ pdq = 31 }}
category = "demo"
every = "1h"

[feeds.allowed]
source = "{folder}/allowed.txt"
format = "text"
action = "allow"
every = "1h"
"""


class Stage:
    """The files of one demo."""

    def __init__(self, folder: Path, bootstrap: str, secret: str, lists: Lists) -> None:
        """secret: as `crawlsieve new-secret` writes it."""
        self.folder = folder
        self.config_file = folder / "crawlsieve.toml"
        self._lists = lists
        self.config_file.write_text(_CONFIG.format(bootstrap=bootstrap, folder=folder))
        self._write("secret", secret + "\n")
        (folder / "secret").chmod(0o600)
        self._write_pages([*lists.pages, lists.withdrawn])
        self._write("hosts.csv", "Host,Noted\n" + "".join(f"{host},2023-12-20\n" for host in lists.hosts))
        self._write("md5.csv", "MD5\n" + "".join(f"{value}\n" for value in lists.md5))
        self._write("sha256.ndjson", "".join(json.dumps({"sha256": value}) + "\n" for value in lists.sha256))
        pa_parquet.write_table(pa.table({"hash": lists.pdq}), folder / "pdq.parquet")
        self._write("allowed.txt", "".join(f"{url}\n" for url in lists.allowed))

    def load(self) -> Config:
        """The configuration, as every verb loads it."""
        return load(self.config_file, {})

    def change_pages(self) -> None:
        """One entry fewer and one more in the list of pages, as a partner would publish it."""
        self._write_pages([*self._lists.pages, self._lists.added])

    def _write_pages(self, pages: list[str]) -> None:
        self._write("pages.txt", "# the demo's own list: nothing here is listed anywhere\n" + "\n".join(pages) + "\n")

    def _write(self, name: str, text: str) -> None:
        """In one step: a list is never seen half written."""
        partial = self.folder / f".{name}"
        partial.write_text(text)
        partial.replace(self.folder / name)
