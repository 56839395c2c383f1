"""The log: its form, and what never gets into it."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from crawlsieve.config import LogSettings
from crawlsieve.errors import OperatorError
from crawlsieve.telemetry import log
from crawlsieve.telemetry.faults import in_one_line, outline

SECRET = "https://listed.example/a"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    yield
    root.handlers[:], (sys.excepthook, threading.excepthook) = before[0], before[2:]
    root.setLevel(before[1])
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def fail_with_secret() -> None:
    local = SECRET
    raise ValueError(f"no such thing: {local}")


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(format="json"))
    structlog.get_logger("crawlsieve.x").warning("aborted", cause="fenced", count=3)
    structlog.get_logger("crawlsieve.x").debug("unheard")
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("aborted", "warning", "crawlsieve.x")
    assert (line["cause"], line["count"]) == ("fenced", 3)
    written = datetime.fromisoformat(str(line["timestamp"]))
    assert written.utcoffset() == timedelta()
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=5)


def test_auto_is_json_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings())
    structlog.get_logger("crawlsieve.x").info("started")
    assert lines(capsys)[0]["event"] == "started"


def test_console_lines(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(format="console"))
    structlog.get_logger("crawlsieve.x").info("started", feed="ours")
    written = capsys.readouterr().err
    assert "started" in written
    assert "feed=ours" in written


def test_libraries_speak_in_the_same_form_but_not_of_urls(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(format="json", level="debug"))
    logging.getLogger("some.library").warning("slow %s", "disk")
    log.LIBRDKAFKA.info("rebalance")
    logging.getLogger("httpx").info("HTTP Request: GET %s", SECRET)
    found = lines(capsys)
    assert [(line["event"], line["level"]) for line in found] == [("slow disk", "warning"), ("rebalance", "info")]


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("by_library", [False, True])
def test_exceptions_tell_their_place_and_not_what_they_held(
    capsys: pytest.CaptureFixture[str], form: str, by_library: bool
) -> None:
    log.configure(LogSettings.model_validate({"format": form}))
    try:
        fail_with_secret()
    except ValueError:
        if by_library:
            logging.getLogger("crawlsieve.y").exception("failed")
        else:
            structlog.get_logger("crawlsieve.x").exception("failed")
    written = capsys.readouterr().err
    assert SECRET not in written
    assert "ValueError" in written
    assert "fail_with_secret" in written
    assert "test_logs.py" in written


def test_causes_are_told_and_our_own_words_kept() -> None:
    try:
        try:
            fail_with_secret()
        except ValueError as fault:
            raise OperatorError("mend the list") from fault
    except OperatorError as fault:
        found = outline(fault)
        line = in_one_line(fault)
    assert [(part["type"], part.get("text")) for part in found] == [
        ("OperatorError", "mend the list"),
        ("ValueError", None),
    ]
    assert SECRET not in str(found)
    assert line.startswith("OperatorError in ")


def test_an_uncaught_exception_of_a_thread(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(format="json"))
    thread = threading.Thread(target=fail_with_secret, name="replica")
    thread.start()
    thread.join()
    (line,) = lines(capsys)
    assert (line["event"], line["thread"]) == ("thread-crashed", "replica")
    assert SECRET not in str(line)
