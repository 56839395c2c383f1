"""Writer schemas from a folder, and from registries that behave and that don't."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient

from crawlsieve.config import load
from crawlsieve.events.registry import Registry
from crawlsieve.events.schemas import RegistryAway, SchemaSource, SchemaUnusable, UnknownSchema

TEXT = json.dumps({"type": "record", "name": "Link", "fields": [{"name": "url", "type": "string"}]})


def folder_source(tmp_path: Path, folder: Path | None) -> SchemaSource:
    """A source as the configuration makes it."""
    (tmp_path / "secret").write_bytes(bytes(32))
    schemas = f'schemas_dir = "{folder}"' if folder else ""
    path = tmp_path / "config.toml"
    path.write_text(
        f'[kafka]\n"bootstrap.servers" = "127.0.0.1:1"\n[events]\n{schemas}\nsignals.url = "url"\n'
        f'[denylist]\nsecret_file = "{tmp_path}/secret"\n[screen]\n'
    )
    return SchemaSource(load(path, {}))


def test_files_are_found_by_their_number(tmp_path: Path) -> None:
    source = folder_source(tmp_path, tmp_path)
    for name in ("7.avsc", "12-link.avsc", "0013-old-link.avsc", "notes.txt", "link.avsc", "7-link.json"):
        (tmp_path / name).write_text(f"{TEXT} {name}" if name.endswith("avsc") else "no schema")
    assert source.fetch(7).text == f"{TEXT} 7.avsc"
    assert source.fetch(12).text == f"{TEXT} 12-link.avsc"
    assert source.fetch(13).text == f"{TEXT} 0013-old-link.avsc"
    with pytest.raises(UnknownSchema):
        source.fetch(1)
    (tmp_path / "1-new.avsc").write_text(TEXT)
    assert source.fetch(1).text == TEXT
    assert source.fetch(1).references == ()


def test_two_files_of_one_number_are_not_guessed_between(tmp_path: Path) -> None:
    (tmp_path / "7.avsc").write_text(TEXT)
    (tmp_path / "7-link.avsc").write_text(TEXT)
    with pytest.raises(SchemaUnusable, match="2 files"):
        folder_source(tmp_path, tmp_path).fetch(7)


def test_a_file_that_is_no_text_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "7.avsc").write_bytes(b"\xff\xfe")
    with pytest.raises(SchemaUnusable):
        folder_source(tmp_path, tmp_path).fetch(7)


def test_a_folder_that_is_gone_is_away_not_empty(tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    source = folder_source(tmp_path, folder)
    folder.rmdir()
    with pytest.raises(RegistryAway, match="schemas_dir"):
        source.fetch(7)


def test_without_a_folder_the_bundled_schemas_serve(tmp_path: Path) -> None:
    assert '"CrawlEvent"' in folder_source(tmp_path, None).fetch(1).text


def named(name: str, *types: str) -> str:
    fields = [{"name": f"f{i}", "type": type_} for i, type_ in enumerate(types)]
    return json.dumps({"type": "record", "name": name, "fields": fields})


@pytest.fixture
def registered() -> tuple[SchemaRegistryClient, Registry]:
    """confluent-kafka's in-process registry, and ours on top of it."""
    registry = Registry({"url": "mock://schemas"})
    return registry._client, registry


def test_references_come_in_the_order_in_which_they_are_needed(
    registered: tuple[SchemaRegistryClient, Registry],
) -> None:
    client, registry = registered
    client.register_schema("deep", Schema(named("Deep", "int"), "AVRO"))
    deep = SchemaReference("Deep", "deep", 1)
    client.register_schema("left", Schema(named("Left", "Deep"), "AVRO", [deep]))
    client.register_schema("right", Schema(named("Right", "Deep"), "AVRO", [deep]))
    both = [SchemaReference("Left", "left", 1), SchemaReference("Right", "right", 1)]
    top = client.register_schema("top", Schema(named("Top", "Left", "Right"), "AVRO", both))
    schema = registry.fetch(top)
    assert json.loads(schema.text)["name"] == "Top"
    assert [json.loads(text)["name"] for text in schema.references] == ["Deep", "Left", "Right"]


def test_unknown_ids_and_other_kinds_of_schema(registered: tuple[SchemaRegistryClient, Registry]) -> None:
    client, registry = registered
    with pytest.raises(UnknownSchema):
        registry.fetch(99)
    for kind in ("JSON", "PROTOBUF"):
        with pytest.raises(SchemaUnusable, match=kind):
            registry.fetch(client.register_schema(kind, Schema("{}", kind)))


def test_what_refers_to_what_is_not_there_is_unknown(registered: tuple[SchemaRegistryClient, Registry]) -> None:
    client, registry = registered
    top = client.register_schema("top", Schema(named("Top", "Gone"), "AVRO", [SchemaReference("Gone", "gone", 1)]))
    with pytest.raises(UnknownSchema):
        registry.fetch(top)


def test_references_in_a_circle_have_an_end(registered: tuple[SchemaRegistryClient, Registry]) -> None:
    client, registry = registered
    client.register_schema("a", Schema(named("A", "B"), "AVRO", [SchemaReference("B", "b", 1)]))
    b = client.register_schema("b", Schema(named("B", "A"), "AVRO", [SchemaReference("A", "a", 1)]))
    with pytest.raises(SchemaUnusable, match="no end"):
        registry.fetch(b)


Answer = tuple[int, str]


@pytest.fixture
def server() -> Iterator[Callable[[Answer], Registry]]:
    """A registry on loopback that gives one answer to everything."""
    running: list[ThreadingHTTPServer] = []

    def serve(answer: Answer) -> Registry:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(answer[0])
                self.end_headers()
                self.wfile.write(answer[1].encode())

            def log_message(self, *_: Any) -> None:
                pass

        running.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return Registry({"url": f"http://user:password@127.0.0.1:{running[-1].server_port}"})

    yield serve
    for each in running:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, '{"error_code": 40101, "message": "who"}'), "credentials"),
        ((403, '{"error_code": 40301, "message": "no"}'), "credentials"),
        ((500, '{"error_code": 50001, "message": "store"}'), "500"),
        ((503, ""), "503"),
        ((404, "<html>nothing here</html>"), "schema_registry.url"),
        ((404, '{"message": "no route"}'), "schema_registry.url"),
        ((200, "<html>a login page</html>"), "does not answer as one"),
        ((200, "[]"), "does not answer as one"),
        ((302, ""), "302"),
    ],
)
def test_all_that_is_no_answer_is_away(server: Callable[[Answer], Registry], answer: Answer, says: str) -> None:
    with pytest.raises(RegistryAway, match=re.escape(says)) as away:
        server(answer).fetch(1)
    assert "password" not in str(away.value)
    assert "127.0.0.1" not in str(away.value)


def test_an_answer_without_a_schema_is_unusable(server: Callable[[Answer], Registry]) -> None:
    with pytest.raises(SchemaUnusable):
        server((200, "{}")).fetch(1)


def test_the_code_for_unknown_is_unknown(server: Callable[[Answer], Registry]) -> None:
    with pytest.raises(UnknownSchema):
        server((404, '{"error_code": 40403, "message": "Schema not found"}')).fetch(1)


def test_nobody_listening_is_away() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    with pytest.raises(RegistryAway, match="ConnectError"):
        Registry({"url": f"http://127.0.0.1:{port}"}).fetch(1)


def test_a_registry_that_takes_the_question_and_says_nothing_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(RegistryAway, match="ReadTimeout"):
        Registry({"url": f"http://127.0.0.1:{mute.getsockname()[1]}"}).fetch(1)
