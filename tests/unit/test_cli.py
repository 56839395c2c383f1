"""The command as a process: exit codes, what it prints, signals."""

import base64
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from crawlsieve import __version__
from crawlsieve.config import load

SECRET = "hunter2-Zq9"


def command(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CRAWLSIEVE_")}
    return subprocess.run(
        [sys.executable, "-m", "crawlsieve.cli", *arguments],
        env={**clean, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "crawlsieve.toml"
    path.write_text(
        f'[kafka]\n"bootstrap.servers" = "kafka:9092"\n"sasl.password" = "{SECRET}"\n'
        '[feeds.ours]\nsource = "/etc/allowed.txt"\naction = "allow"\n'
    )
    return path


def test_version() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"crawlsieve {__version__}\n")


def test_a_right_configuration_is_summed_up_without_credentials(config: Path) -> None:
    done = command("check-config", "--config", str(config))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok\n")
    assert {"kafka:9092", "crawl.events:", "crawl.quarantine,", "ours:"} <= set(done.stdout.split())
    assert SECRET not in done.stdout


def test_a_wrong_configuration_ends_every_verb_with_2(config: Path) -> None:
    config.write_text(config.read_text() + "[screen]\nmax_bach = 1\n[refresh]\nlisten = 'x'\n")
    for verb in ("check-config", "screen", "refresh", "topics", "audit"):
        done = command(verb, environ={"CRAWLSIEVE_CONFIG": str(config)})
        assert (done.returncode, done.stdout) == (2, ""), verb
        assert "screen.max_bach: unknown key; did you mean screen.max_batch?" in done.stderr
        assert "refresh.listen: " in done.stderr
        assert "Traceback" not in done.stderr


def test_settings_that_librdkafka_does_not_take(config: Path) -> None:
    environ = {"CRAWLSIEVE_KAFKA__SASL_PASWORD": SECRET, "CRAWLSIEVE_KAFKA_PRODUCER__LINGER_MS": SECRET}
    done = command("check-config", "--config", str(config), environ=environ)
    assert done.returncode == 2
    assert 'kafka."sasl.pasword": librdkafka knows no such setting' in done.stderr
    assert 'kafka.producer."linger.ms": not a value' in done.stderr
    assert SECRET not in done.stderr


def test_what_an_operator_has_to_mend_is_one_line(config: Path, tmp_path: Path) -> None:
    config.write_text(
        f'[kafka]\n"bootstrap.servers" = "127.0.0.1:1"\n[denylist]\nsecret_file = "{tmp_path}/none"\n'
        '[screen]\nlisten = "127.0.0.1:0"\n'
    )
    done = command("screen", "--config", str(config))
    assert done.returncode == 1
    assert done.stderr.startswith("crawlsieve: denylist.secret_file ")
    assert done.stderr.count("\n") == 1


def test_a_new_secret() -> None:
    first, second = command("new-secret").stdout, command("new-secret").stdout
    assert len(base64.b64decode(first.strip(), validate=True)) == 32
    assert first != second


def test_a_new_secret_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    done = command("new-secret", "--output", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    environ = {"CRAWLSIEVE_KAFKA__BOOTSTRAP_SERVERS": "k:1", "CRAWLSIEVE_DENYLIST_SECRET_FILE": str(file)}
    assert len(load(None, environ).denylist.secret()) == 32
    again = command("new-secret", "--output", str(file))
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert file.read_bytes() == before
    nowhere = command("new-secret", "--output", str(tmp_path / "none" / "secret"))
    assert nowhere.returncode == 1
    assert "can't be written" in nowhere.stderr


_WAITS = """
import time
from crawlsieve.cli import stop_on_signals
stop = stop_on_signals()
print("waiting", flush=True)
while True:
    time.sleep(0.05)
    if stop.is_set():
        print("told", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_it_at_once(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", _WAITS], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n"
            process.send_signal(number)
            assert process.stdout.readline() == "told\n"
            process.send_signal(number)
            assert process.wait(30) == 128 + number
        finally:
            process.kill()


def test_a_defect_tells_its_place_and_not_what_it_held() -> None:
    code = (
        "import sys\nfrom crawlsieve import cli\n"
        f"def broken():\n    raise ValueError('{SECRET}')\n"
        "cli.app = broken\ncli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 70
    assert "ValueError" in done.stderr
    assert "(broken)" in done.stderr
    assert SECRET not in done.stderr
    assert "Traceback" not in done.stderr
