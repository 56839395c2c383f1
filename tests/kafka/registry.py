"""A real Schema Registry, Apicurio, which speaks Confluent's REST API; in memory, on a free port of loopback."""

import atexit
import os
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from tests.kafka.broker import free_port
from tests.waiting import wait_for

_HOME = Path(__file__).parents[2] / ".cache" / "apicurio"


class Registry:
    """An Apicurio Registry that a test may start and kill. What was registered is gone with the process."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def start(self) -> "Registry":
        """Starts it and waits until it answers."""
        jars = list(_HOME.glob("apicurio-registry-app-*-runner.jar"))
        assert jars, "the Schema Registry is missing: run `make apicurio`"
        environ = {**os.environ, "QUARKUS_HTTP_HOST": "127.0.0.1", "QUARKUS_HTTP_PORT": str(self.port)}
        command = ["java", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", str(jars[0])]
        # The log goes to a file without a name, which the kernel frees with the process.
        with tempfile.TemporaryFile() as log:
            self._process = process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, start_new_session=True
            )

            def said() -> str:
                log.seek(0)
                return log.read().decode(errors="replace")[-4000:]

            def answers() -> bool:
                assert process.poll() is None, f"the Schema Registry ended:\n{said()}"
                try:
                    with urllib.request.urlopen(f"{self.url}/subjects", timeout=5) as answer:
                        return bool(answer.status == 200)
                except OSError:
                    return False

            wait_for(answers, 120, lambda: "the Schema Registry does not answer")
        return self

    def kill(self) -> None:
        """SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        """Ends it for good."""
        self.kill()
        atexit.unregister(self.close)

    def __enter__(self) -> "Registry":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
