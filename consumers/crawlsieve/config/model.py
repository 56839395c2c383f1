"""The whole configuration."""

from pydantic import Field

from crawlsieve.config.events import EventsSettings
from crawlsieve.config.feeds import FeedName, FeedSettings
from crawlsieve.config.kafka import KafkaSettings, RegistrySettings
from crawlsieve.config.section import Section
from crawlsieve.config.sections import DenylistSettings, LogSettings, RefreshSettings, ScreenSettings


class Config(Section):
    """One TOML file, with the environment over it. Serves all verbs; only `refresh` reads the feeds."""

    kafka: KafkaSettings
    schema_registry: RegistrySettings | None = None
    events: EventsSettings = EventsSettings()
    denylist: DenylistSettings = DenylistSettings()
    screen: ScreenSettings = ScreenSettings()
    refresh: RefreshSettings = RefreshSettings()
    log: LogSettings = LogSettings()
    feeds: dict[FeedName, FeedSettings] = Field(default_factory=dict)
