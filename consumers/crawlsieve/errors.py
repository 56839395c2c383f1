"""Errors that are meant for the operator: one message that says what happened and what to do about it."""


class OperatorError(Exception):
    """Something only an operator can mend. The command prints the message and exits with `exit_code`."""

    exit_code = 1


class ConfigError(OperatorError):
    """The configuration is wrong. The message lists every mistake, one a line: key, what it is, what would be right."""

    exit_code = 2
