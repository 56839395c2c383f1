"""Keeps listed material out of AI training data while the data is still being crawled."""

__version__ = "0.1.0"
