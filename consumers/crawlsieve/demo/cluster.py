"""The embedded broker: librdkafka's built-in mock cluster, in this process's memory. Nothing to install.

Source: rdkafka_mock.h of librdkafka, called in the library that confluent-kafka brings along.
"""

import ctypes
from collections.abc import Mapping

from confluent_kafka import cimpl

from crawlsieve.errors import OperatorError

_POINTER = ctypes.c_void_p
_PRODUCER = 0
_TEXT_BYTES = 512


class MockCluster:
    """One mock broker on a free port of loopback, for as long as this object is open.

    It keeps no transactional offsets, shows the records of aborted transactions, and answers no admin requests: good
    for showing the flow, and for proving nothing about exactly-once.
    """

    def __init__(self, topics: Mapping[str, int]) -> None:
        """topics: partitions by name. Raises OperatorError if the cluster can't be made."""
        library = _library()
        settings = library.rd_kafka_conf_new()
        fault = ctypes.create_string_buffer(_TEXT_BYTES)
        library.rd_kafka_conf_set(settings, b"log_level", b"0", fault, _TEXT_BYTES)
        self._client = library.rd_kafka_new(_PRODUCER, settings, fault, _TEXT_BYTES)
        self._cluster = library.rd_kafka_mock_cluster_new(self._client, 1) if self._client else None
        if not self._cluster:
            raise OperatorError(f"librdkafka makes no mock cluster: {fault.value.decode()}")
        self._library = library
        self.bootstrap: str = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        for name, partitions in topics.items():
            if library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1) != 0:
                raise OperatorError(f"the mock cluster does not make topic {name}")

    def close(self) -> None:
        """Ends the broker. Its clients must be closed before."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)


def _library() -> ctypes.CDLL:
    """librdkafka, found as a dependency of confluent-kafka's own extension module."""
    library = ctypes.CDLL(cimpl.__file__)
    text, number = ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_conf_new", _POINTER, []),
        ("rd_kafka_conf_set", number, [_POINTER, text, text, text, ctypes.c_size_t]),
        ("rd_kafka_new", _POINTER, [number, _POINTER, text, ctypes.c_size_t]),
        ("rd_kafka_destroy", None, [_POINTER]),
        ("rd_kafka_mock_cluster_new", _POINTER, [_POINTER, number]),
        ("rd_kafka_mock_cluster_destroy", None, [_POINTER]),
        ("rd_kafka_mock_cluster_bootstraps", text, [_POINTER]),
        ("rd_kafka_mock_topic_create", number, [_POINTER, text, number, number]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
