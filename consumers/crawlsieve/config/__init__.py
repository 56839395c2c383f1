"""The configuration as typed, checked models."""

from crawlsieve.config.events import EventsSettings, SignalField
from crawlsieve.config.feeds import FeedSettings
from crawlsieve.config.kafka import KafkaSettings, RegistrySettings
from crawlsieve.config.loading import load
from crawlsieve.config.model import Config
from crawlsieve.config.sections import AcceptStale, DenylistSettings, LogSettings, RefreshSettings, ScreenSettings

__all__ = [
    "AcceptStale",
    "Config",
    "DenylistSettings",
    "EventsSettings",
    "FeedSettings",
    "KafkaSettings",
    "LogSettings",
    "RefreshSettings",
    "RegistrySettings",
    "ScreenSettings",
    "SignalField",
    "load",
]
