"""Why a pull is not used.

The texts go to logs, the reasons to labels and status records as well: no value, no address, nothing of a list.
"""


class Refused(Exception):
    """The pull can't be used as it is; the entries in force stay. Trying again at once would not help."""

    def __init__(self, reason: str, advice: str) -> None:
        """reason: one kebab-case word for labels and status records; advice: what happened and what to do."""
        super().__init__(advice)
        self.reason = reason
        self.advice = advice


class Unavailable(Refused):
    """The source could not be had, or not completely; another attempt may succeed."""

    def __init__(self, reason: str, advice: str, retry_after: float | None = None) -> None:
        """retry_after: seconds that the server asks to wait."""
        super().__init__(reason, advice)
        self.retry_after = retry_after
