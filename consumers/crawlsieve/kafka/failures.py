"""What a Kafka error means: whom it concerns and what can be done about it, in one place."""

from confluent_kafka import KafkaError, KafkaException

from crawlsieve.errors import OperatorError

# Errors that no retry mends. {what} is the topic, group or id; the fix is the operator's.
_FOR_THE_OPERATOR: dict[int, str] = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: "topic {what} does not exist: run `crawlsieve topics --create`",
    KafkaError._UNKNOWN_TOPIC: "topic {what} does not exist: run `crawlsieve topics --create`",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "no right to use topic {what}: grant this user the rights of its verb",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "no right to use group {what}: grant this user READ on the group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (
        "no right to use transactional id {what}: grant this user WRITE and DESCRIBE on its prefix"
    ),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "no right on the cluster for {what}: grant this user IDEMPOTENT_WRITE",
    KafkaError.SASL_AUTHENTICATION_FAILED: "Kafka refuses the user name or password: renew them in [kafka]",
    KafkaError._AUTHENTICATION: "Kafka refuses the user name or password: renew them in [kafka]",
    KafkaError._SSL: "TLS to Kafka fails: check ssl.ca.location and the listener's certificate in [kafka]",
    KafkaError._INVALID_ARG: "librdkafka refuses a setting: check [kafka]",
    KafkaError.INVALID_TRANSACTION_TIMEOUT: (
        "the broker allows no transaction this long: lower screen.transaction_timeout"
    ),
}

# A record that the broker will never take, however often it is sent; the word goes into the dead letter.
REFUSED_FOR_GOOD: dict[int, str] = {
    KafkaError.MSG_SIZE_TOO_LARGE: "refused-too-large",
    KafkaError.RECORD_LIST_TOO_LARGE: "refused-too-large",
    KafkaError.INVALID_TIMESTAMP: "refused-timestamp",
    KafkaError.INVALID_RECORD: "refused-invalid",
    KafkaError.INVALID_MSG: "refused-invalid",
    KafkaError.POLICY_VIOLATION: "refused-policy",
}


def error_of(failure: KafkaException | KafkaError) -> KafkaError:
    """The KafkaError inside an exception."""
    if isinstance(failure, KafkaException):
        found = failure.args[0]
        return found if isinstance(found, KafkaError) else KafkaError(KafkaError._FAIL, str(found))
    return failure


def operator_error(failure: KafkaException | KafkaError, what: str) -> OperatorError | None:
    """The error to stop with, if only an operator can mend this one; None if trying again can.

    what: the topic, group or transactional id concerned.
    """
    text = _FOR_THE_OPERATOR.get(error_of(failure).code())
    return OperatorError(text.format(what=what)) if text else None


def describe(failure: KafkaException | KafkaError) -> str:
    """The error's name, for log lines and labels: librdkafka's own text can hold keys and addresses."""
    return str(error_of(failure).name()).lstrip("_").lower().replace("_", "-")
