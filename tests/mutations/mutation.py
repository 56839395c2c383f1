"""One way to break a guarantee."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A text that stands exactly once in a module, and what it becomes."""

    guarantee: str
    module: str
    """In the package."""
    text: str
    becomes: str
    test: str
    """What pytest is given; it must fail."""
