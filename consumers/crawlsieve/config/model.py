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
    events: EventsSettings = Field(default_factory=lambda: EventsSettings.model_validate({}))
    denylist: DenylistSettings = Field(default_factory=lambda: DenylistSettings.model_validate({}))
    screen: ScreenSettings = Field(default_factory=lambda: ScreenSettings.model_validate({}))
    refresh: RefreshSettings = Field(default_factory=lambda: RefreshSettings.model_validate({}))
    log: LogSettings = Field(default_factory=lambda: LogSettings.model_validate({}))
    feeds: dict[FeedName, FeedSettings] = Field(default_factory=dict)
