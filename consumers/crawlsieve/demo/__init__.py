"""The whole of Crawlsieve on an embedded broker, in one process."""

from crawlsieve.demo.service import run

__all__ = ["run"]
