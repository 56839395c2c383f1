"""Where the writer schemas of crawl events come from: a Schema Registry, or a folder of files."""

import re
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from crawlsieve._native import SchemaUnusable
from crawlsieve.config import Config
from crawlsieve.events.writer_schema import RegistryAway, UnknownSchema, WriterSchema

if TYPE_CHECKING:
    from crawlsieve.events.registry import Registry

__all__ = ["RegistryAway", "SchemaSource", "SchemaUnusable", "UnknownSchema", "WriterSchema"]

_FILE = re.compile(r"0*(\d+)(-.*)?\.avsc")


class SchemaSource:
    """Fetches writer schemas by id. Keeps none, so that what is registered later is found. For one thread."""

    def __init__(self, config: Config) -> None:
        settings = config.schema_registry
        self._source = _registry(settings.client()) if settings else _Folder(config.events.schemas_dir)

    def fetch(self, schema_id: int) -> WriterSchema:
        """The schema with this id; takes a few seconds at most.

        Raises UnknownSchema, RegistryAway, or SchemaUnusable if what has this id is no Avro schema.
        """
        return self._source.fetch(schema_id)


def _registry(settings: dict[str, str | int | float | bool]) -> "Registry":
    """Imported only where there is one: its client takes 10 MB."""
    from crawlsieve.events.registry import Registry  # noqa: PLC0415

    return Registry(settings)


class _Folder:
    """Files `<id>.avsc` or `<id>-<name>.avsc`, looked for anew each time: one may be added while running."""

    def __init__(self, folder: Traversable | None) -> None:
        """folder: None for the schemas that come with Crawlsieve."""
        self._folder = folder or resources.files("crawlsieve.schemas")

    def fetch(self, schema_id: int) -> WriterSchema:
        try:
            found = [f for f in self._folder.iterdir() if (m := _FILE.fullmatch(f.name)) and int(m[1]) == schema_id]
            texts = [file.read_text("utf-8") for file in found]
        except OSError as fault:
            raise RegistryAway(f"events.schemas_dir can't be read: {fault.strerror}") from None
        except UnicodeDecodeError:
            raise SchemaUnusable(f"the file of schema id {schema_id} is not UTF-8") from None
        if len(texts) > 1:
            raise SchemaUnusable(f"{len(texts)} files in events.schemas_dir have schema id {schema_id}")
        if not texts:
            raise UnknownSchema(schema_id)
        return WriterSchema(texts[0])
