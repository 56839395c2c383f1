"""A writer schema, and why there may be none."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WriterSchema:
    """An Avro schema as JSON text, and those that it refers to by name, each behind the ones that it needs itself."""

    text: str
    references: tuple[str, ...] = ()


class UnknownSchema(Exception):
    """The source answers, and has no schema of this id."""

    def __init__(self, schema_id: int) -> None:
        super().__init__(f"schema id {schema_id} is not known")
        self.schema_id = schema_id


class RegistryAway(Exception):
    """The source can't be asked. The message says what the operator can do; it holds no address and no credential."""
