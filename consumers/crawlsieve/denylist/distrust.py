"""Why a replica can't be believed: each cause is a hold of this process until a whole reload finds it gone."""

from crawlsieve.denylist.policy import PolicyUnreadable
from crawlsieve.denylist.status import CanonicalFormUnknown, ForeignKey, StatusRefused

LOADING = "denylist-loading"
WRONG_SECRET = "denylist-wrong-secret"  # noqa: S105 - the name of a hold
CHECKSUM = "denylist-checksum"
CANONICAL_FORM = "denylist-canonical-form"
DAMAGED = "denylist-damaged"
RECREATED = "denylist-recreated"

PROCESS_CAUSES = frozenset({LOADING, WRONG_SECRET, CHECKSUM, CANONICAL_FORM, DAMAGED, RECREATED})


class Distrust(Exception):
    """The denylist as read can't be vouched for.

    cause: one of PROCESS_CAUSES. detail: for the operator; feed, offset and fault, never a value.
    """

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


class Unreachable(Exception):
    """The denylist can't be read at present; trying again can mend it. The message is for the operator."""


def distrust_of(fault: StatusRefused | PolicyUnreadable, offset: int) -> Distrust:
    """What a refused status record at `offset` means to the replica, and what the operator can do."""
    if isinstance(fault, ForeignKey):
        return Distrust(WRONG_SECRET, f"{fault}: give this process the refresher's denylist.secret_file")
    if isinstance(fault, CanonicalFormUnknown):
        return Distrust(CANONICAL_FORM, f"{fault}: run the refresher's version here as well")
    if isinstance(fault, PolicyUnreadable):
        return Distrust(CANONICAL_FORM, f"{fault}, at offset {offset}: run the refresher's version here as well")
    return Distrust(DAMAGED, f"{fault}, at offset {offset}: check who may write to the topic, then refresh anew")
