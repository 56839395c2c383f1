"""What all sections of the configuration have in common."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)


class Section(BaseModel):
    """Can't be changed once it is loaded; knows every key that it may have."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name) or name in (".", ".."):
        raise ValueError("not a topic's name: write 1 to 249 of A-Z a-z 0-9 . _ -")
    return name


def _address(listen: str) -> str:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("not an address to listen on: write host:port, such as 0.0.0.0:9464")
    return listen


Topic = Annotated[str, AfterValidator(_topic)]
"""A Kafka topic's name."""

Address = Annotated[str, AfterValidator(_address)]
"""host:port to listen on. Port 0 takes any that is free."""
