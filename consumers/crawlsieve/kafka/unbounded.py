"""Calls into librdkafka that may never return, and a limit on how long we wait for them."""

import queue
import threading
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException


def within(seconds: float, call: Callable[[], object]) -> None:
    """Makes the call in a thread of its own. Raises what it raises, or KafkaException (_TIMED_OUT, not retriable).

    After a time-out the thread is left behind with whatever the call holds: the producer is to be thrown away.
    """
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            call()
        except BaseException as failure:  # raised again in the caller's thread
            ended.put(failure)
        else:
            ended.put(None)

    threading.Thread(target=run, name="unbounded", daemon=True).start()
    try:
        failure = ended.get(timeout=seconds)
    except queue.Empty:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
    if failure is not None:
        raise failure
