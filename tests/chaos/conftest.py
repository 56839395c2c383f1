"""A crawl's configuration with a denylist in force."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.chaos.crawl import CLEAN_LIMIT, LISTED_MD5, LISTED_URLS
from tests.kafka.broker import Broker
from tests.kafka.crawl import schemas_in
from tests.kafka.fixtures import MadeConfig, Process


@pytest.fixture
def listed(
    make_config: Callable[..., MadeConfig], process: Callable[..., Process], tmp_path: Path
) -> Callable[..., MadeConfig]:
    """A configuration whose denylist holds LISTED_URLS as pages and LISTED_MD5; batches are small."""

    def fill(partitions: int, broker: Broker | None = None, **sections: dict[str, Any]) -> MadeConfig:
        urls, digests = tmp_path / "urls.txt", tmp_path / "md5.txt"
        urls.write_text("".join(f"{url}\n" for url in sorted(LISTED_URLS)))
        digests.write_text("".join(f"{digest}\n" for digest in sorted(LISTED_MD5)))
        config = make_config(
            partitions,
            broker,
            events={"schemas_dir": schemas_in(tmp_path / "schemas")},
            feeds={
                "urls": {"kind": "list", "source": str(urls), "format": "text", "match": "page"},
                "digests": {"kind": "list", "source": str(digests), "format": "text", "signal": "md5"},
            },
            screen={"max_batch": 100, "max_delay": "20ms", "max_dead_share": 1.0, **sections.pop("screen", {})},
            **sections,
        )
        entry = ConfigEntry("max.message.bytes", str(CLEAN_LIMIT), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, config.clean, incremental_configs=[entry])
        admin = config.broker.admin()
        for changed in admin.incremental_alter_configs([resource]).values():
            changed.result(20)
        refresh = process("refresh", config, "--once")
        assert refresh.wait() == 0, refresh.stderr
        return config

    return fill
