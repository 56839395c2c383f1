"""Crawl events: where their schemas come from, and how metadata files become events."""
