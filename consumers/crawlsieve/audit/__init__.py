"""The `audit` verb: proves that every offset that was ever read has exactly one verdict."""

from crawlsieve.audit.service import run

__all__ = ["run"]
