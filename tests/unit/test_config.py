"""The configuration: what it takes, and what it says of what it does not take."""

import base64
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlsieve.config import Config, durations, environment, load, reference
from crawlsieve.config.kafka import OURS
from crawlsieve.errors import ConfigError, OperatorError

KAFKA = '[kafka]\n"bootstrap.servers" = "kafka:9092"\n'
SECRET = "hunter2-Zq9"  # stands for whatever must not be repeated


def loaded(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None, kafka: str = KAFKA) -> Config:
    path = tmp_path / "crawlsieve.toml"
    path.write_text(kafka + text, "utf-8")
    return load(path, environ or {})


def mistakes(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None, kafka: str = KAFKA) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, environ, kafka)
    assert caught.value.exit_code == 2
    first, *rest = str(caught.value).split("\n  ")
    assert f"{len(rest)} mistake" in first
    return rest


def test_the_least_configuration_is_the_brokers(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    assert config.kafka.client("admin") == {"bootstrap.servers": "kafka:9092"}
    assert config.screen.max_delay == timedelta(milliseconds=50)
    assert config.events.topic == "crawl.events"
    assert config.schema_registry is None
    assert load(None, {"CRAWLSIEVE_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092"}) == config


def test_the_shape_that_users_know(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
        [kafka.consumer]
        "fetch.min.bytes" = 1
        [kafka.producer]
        "linger.ms" = 20
        [schema_registry]
        url = "http://registry:8081"
        basic.auth.user.info = "me:it"
        [events]
        signals.url = "url"
        signals.image_md5 = { signal = "md5", encoding = "hex", optional = true, invalid = "skip" }
        signals."hashes.pdq" = "pdq"
        signals.deep.down.sha = { signal = "sha256" }
        [screen]
        accept_stale = [{ feed = "partner", until = 2030-01-31T12:00:00Z }]
        pass_gaps = ["crawl.events/3@17"]
        [feeds.partner]
        source = "https://lists.example/urls.csv"
        format = "csv"
        columns = { url = "URL", pdq = "PDQ", record_id = "No" }
        max_distance = { pdq = 20 }
        max_age = "24h"
        overruled_by = ["ours"]
        [feeds.ours]
        source = "/etc/allowed.txt"
        action = "allow"
        """,
        kafka='[kafka]\nbootstrap.servers = "kafka:9092"\nsasl.username = "me"\n',
    )
    common = {"bootstrap.servers": "kafka:9092", "sasl.username": "me"}
    assert config.kafka.client("consumer") == {**common, "fetch.min.bytes": 1}
    assert config.kafka.client("producer") == {**common, "linger.ms": 20}
    assert config.kafka.client("admin") == common
    assert config.schema_registry is not None
    assert config.schema_registry.client() == {"url": "http://registry:8081", "basic.auth.user.info": "me:it"}
    assert config.events.reader_fields() == [
        ("url", "url", "auto", False, "dead"),
        ("image_md5", "md5", "hex", True, "skip"),
        ("hashes.pdq", "pdq", "auto", False, "dead"),
        ("deep.down.sha", "sha256", "auto", False, "dead"),
    ]
    assert config.screen.accept_stale[0].until == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert config.feeds["partner"].max_distance == {"pdq": 20}
    assert config.feeds["partner"].max_age == timedelta(days=1)
    assert config.feeds["ours"].max_distance == {}


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        """
        [events]
        topik = "x"
        signals.url = "urll"
        [screen]
        max_batch = "lots"
        max_dead_share = 7
        transaction_timeout = "40s"
        clean = "crawl.events"
        [feeds.a]
        format = "csv"
        max_distance = { pdq = 32, dhash = 11 }
        overruled_by = ["b"]
        [feeds.b]
        source = "x"
        match = "hots"
        """,
        kafka='[kafka]\n"bootstrap.server" = "kafka:9092"\nacks = 1\n',
    )
    expected = [
        ("kafka.acks", "ours"),
        ('kafka."bootstrap.servers"', '"bootstrap.server"?'),
        ("events.signals.url.signal", "did you mean url?"),
        ("events.topik", "did you mean events.topic?"),
        ("screen.max_batch", 'is "lots"; write a whole number'),
        ("screen.max_dead_share", "is 7; write at most 1"),
        ("feeds.a.source", "is missing"),
        ("feeds.a.max_distance.pdq", "0 to 31"),
        ("feeds.a.max_distance.dhash", "0 to 10"),
        ("feeds.b.match", "did you mean host?"),
        ("screen.transaction_timeout", "session_timeout"),
        ("feeds.a.columns", "name the columns"),
        ("screen.clean", "the same topic as events.topic"),
        ("feeds.a.overruled_by", "does not allow"),
    ]
    for key, words in expected:
        assert [line for line in found if line.startswith(f"{key}: ") and words in line], (key, words, found)
    assert len(found) == len(expected), found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[screne]\n", "did you mean screen?"),
        ("[screen]\nmax_dela = '1s'\n", "did you mean screen.max_delay?"),
        ("[screen]\nlisten = '9464'\n", "host:port"),
        ("[screen]\nmax_delay = '50 parsecs'\n", "50ms"),
        ("[screen]\nmax_delay = 50\n", "50ms"),
        ("[screen]\naccept_stale = [{ feed = 'a', until = 2030-01-01T00:00:00 }]\n", "time zone"),
        ("[screen]\npass_gaps = ['all']\n", "screen.pass_gaps"),
        ("[screen]\nclean = 'no/topic'\n", "topic's name"),
        ("[screen]\ngroup = 'crawlsieve-refresh'\n", "give each its own"),
        ("[events]\nsignals = {}\n", "must not be empty"),
        ("[events]\nsignals.x = { sginal = 'md5' }\n", "did you mean events.signals.x.signal?"),
        ("[events]\nsignals.a.b = 'md5'\nsignals.\"a.b\" = 'md5'\n", "mapped twice"),
        ("[denylist]\nsecret = 'x'\n", "secret_file"),
        ("[refresh]\ntransaction_time = '11s'\n", "at most 10s"),
        ("[feeds.a]\nsource = 'x'\nformat = 'csv'\ncolumns = { ulr = 'u' }\n", "did you mean url?"),
        ("[feeds.a]\nsource = 'x'\ncolumns = { url = 'u' }\n", "a text list has none"),
        ("[feeds.a]\nsource = 'x'\nsignal = 'md5'\nmatch = 'host'\n", "is for url entries"),
        ("[feeds.a]\nsource = 's3://bucket/x'\n", "http(s)://"),
        ("[feeds.a]\nsource = 'x'\nkind = 'ncmec'\n", "list"),
        ("[feeds.a]\nsource = 'x'\nevery = '0s'\n", "above zero"),
        ("[feeds.a]\nsource = 'x'\noverruled_by = ['b']\n", "does not exist"),
        ('[feeds."a b"]\nsource = "x"\n', "feed's name"),
        ("[schema_registry]\nurl = 'registry:8081'\n", "http://registry:8081"),
        ("[schema_registry]\nurl = 'http://r'\nbasic.auth.user.inf = 'x'\n", "basic.auth.user.info"),
    ],
)
def test_one_mistake(tmp_path: Path, text: str, says: str) -> None:
    found = mistakes(tmp_path, text)
    assert any(says in line for line in found), found


@pytest.mark.parametrize("key", [*OURS, "enable.auto.commit", "enable.auto.offset.store"])
@pytest.mark.parametrize("side", ["", ".consumer", ".producer"])
def test_keys_that_carry_a_guarantee_are_refused(tmp_path: Path, key: str, side: str) -> None:
    line = f'"{key}" = "x"\n'
    (found,) = mistakes(tmp_path, f"[kafka{side}]\n{line}" if side else line)
    assert key in found
    assert "is ours" in found


@pytest.mark.parametrize(
    "text",
    [
        f'[kafka.consumer]\n"sasl.password" = ["{SECRET}"]\n',
        f'[kafka.consumer]\n"acks" = "{SECRET}"\n',
        f'[schema_registry]\nurl = "http://me:{SECRET}@"\n',
        f'[schema_registry]\nurl = "http://r"\nbasic.auth.user.infos = "{SECRET}"\n',
        f'[denylist]\nsecret = "{SECRET}"\n',
        f'[feeds.a]\nsource = "https://me:{SECRET}@lists.example/x"\n',
        f'[feeds.a]\nsource = "https://[{SECRET}/x"\n',
        f'[feeds.a]\nsource = "x"\ncanary = ["{SECRET}"]\n',
        f'[feeds.a]\nsource = "x"\ncanry = "{SECRET}"\n',
        f'[feeds.a]\nsource = "x"\nevery = "me:{SECRET}@h"\n',
        f'[kafka.consumer\n"sasl.password" = "{SECRET}"\n',
        f'[kafka.consumer]\n"sasl.password" = {SECRET}\n',
    ],
)
def test_no_mistake_repeats_what_may_be_secret(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "line" in str(caught.value) or "mistake" in str(caught.value)


def test_no_representation_shows_credentials(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        f'[schema_registry]\nurl = "http://me:{SECRET}@r"\n[feeds.a]\nsource = "x"\ncanary = "{SECRET}"\n',
        {environment.SECRET: SECRET * 4},
        kafka=KAFKA + f'"sasl.password" = "{SECRET}"\n',
    )
    assert SECRET not in repr(config)
    assert SECRET not in str(config)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[kafka", b'a = "\x00"'])
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"c\.toml is not"):
        load(tmp_path / "c.toml", {})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load(tmp_path / "c.toml", {})


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        '[screen]\nmax_batch = 1\n[feeds.partner-urls]\nsource = "x"\n',
        {
            "CRAWLSIEVE_KAFKA__BOOTSTRAP_SERVERS": "other:9092",
            "CRAWLSIEVE_KAFKA_CONSUMER__FETCH_MIN_BYTES": "7",
            "CRAWLSIEVE_SCHEMA_REGISTRY_URL": "http://r",
            "CRAWLSIEVE_SCHEMA_REGISTRY__BASIC_AUTH_USER_INFO": "me:it",
            "CRAWLSIEVE_SCREEN_MAX_BATCH": "7",
            "CRAWLSIEVE_SCREEN_MAX_DELAY": "7ms",
            "CRAWLSIEVE_SCREEN_MAX_DEAD_SHARE": "0.25",
            "CRAWLSIEVE_SCREEN_GROUP": "",
            "CRAWLSIEVE_SCREEN_PASS_GAPS": '["t/1@2"]',
            "CRAWLSIEVE_EVENTS_SIGNALS": '{ link = "url", a.b = "md5" }',
            "CRAWLSIEVE_FEEDS__PARTNER_URLS__REQUIRED": "true",
            "CRAWLSIEVE_FEEDS__PARTNER_URLS__MATCH": "host",
            "CRAWLSIEVE_FEEDS__NEW__SOURCE": "y",
            "PATH": "/bin",
        },
    )
    assert config.kafka.client("consumer") == {"bootstrap.servers": "other:9092", "fetch.min.bytes": "7"}
    assert config.schema_registry is not None
    assert config.schema_registry.client()["basic.auth.user.info"] == "me:it"
    assert (config.screen.max_batch, config.screen.max_delay) == (7, timedelta(milliseconds=7))
    assert (config.screen.max_dead_share, config.screen.group) == (0.25, "crawlsieve")
    assert config.screen.pass_gaps == ("t/1@2",)
    assert list(config.events.signals) == ["link", "a.b"]
    assert config.feeds["partner-urls"].required
    assert config.feeds["partner-urls"].match == "host"
    assert config.feeds["new"].source == "y"


def test_a_nested_key_of_the_file_loses_too(tmp_path: Path) -> None:
    environ = {"CRAWLSIEVE_KAFKA__BOOTSTRAP_SERVERS": "other:9092"}
    config = loaded(tmp_path, "", environ, kafka='[kafka]\nbootstrap.servers = "kafka:9092"\n')
    assert config.kafka.servers == "other:9092"


def test_every_setting_has_a_variable() -> None:
    reached = {*environment.FIXED, "kafka", "schema_registry", "feeds"}
    assert reached == set(Config.model_fields)


def test_wrong_variables_are_mistakes_that_name_them(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        "",
        {
            "CRAWLSIEVE_SCREEN_MAX_BACH": SECRET,
            "CRAWLSIEVE_REFRESH_LISTEN": "x",
            "CRAWLSIEVE_EVENTS_SIGNALS": "{",
            "CRAWLSIEVE_KAFKA__ACKS": "1",
        },
    )
    assert SECRET not in str(found)
    assert any("CRAWLSIEVE_SCREEN_MAX_BATCH?" in line for line in found)
    assert any("refresh.listen" in line and "(from CRAWLSIEVE_REFRESH_LISTEN)" in line for line in found)
    assert any(line.startswith("CRAWLSIEVE_EVENTS_SIGNALS: ") for line in found)
    assert any(line.startswith("kafka.acks: ") for line in found)
    assert len(found) == 4


def test_what_kubernetes_adds_for_a_service_is_left_alone(tmp_path: Path) -> None:
    added = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_METRICS", "PORT", "PORT_9464_TCP", "PORT_9464_TCP_ADDR")
    loaded(tmp_path, "", {f"CRAWLSIEVE_{service}{name}": "x" for name in added for service in ("", "SCREEN_")})


def test_the_digest_follows_what_is_checked_and_nothing_else(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        return loaded(tmp_path, f"[events]\n{text}\n").events.digest()

    same = {
        digest(text)
        for text in ("signals = { a = 'md5', b = 'url' }", "signals = { b = 'url', a = 'md5' }\ntopic = 't'")
    }
    assert len(same) == 1
    others = {digest(f"signals = {{ a = 'md5', b = 'url' }}\n{text}") for text in ("id = 'x'", "unchecked = 'clean'")}
    others |= {digest("signals = { a = { signal = 'md5', optional = true }, b = 'url' }")}
    assert len(others | same) == 4


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_lengths_of_time_come_back_as_they_were(number: int, unit: str) -> None:
    length = durations.parse(f"{number}{unit}")
    assert durations.parse(durations.written(length)) == length
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit] * number
    assert length.total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5 weeks", "-5s", "1.5h", "5S", "\u0665s", "99999999999d", 5, None])
def test_what_is_no_length_of_time(text: object) -> None:
    with pytest.raises(ValueError, match="50ms"):
        durations.parse(text)


def test_a_secret_in_any_writing(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    file = tmp_path / "secret"
    config = loaded(tmp_path, f'[denylist]\nsecret_file = "{file}"\n')
    for written in (key, base64.b64encode(key), base64.b64encode(key) + b"\n"):
        file.write_bytes(written)
        assert config.denylist.secret() == key
    file.write_bytes(b"correct horse battery staple and so on\r\n")
    assert config.denylist.secret() == b"correct horse battery staple and so on"
    given = loaded(tmp_path, "", {environment.SECRET: base64.b64encode(key).decode()})
    assert given.denylist.secret() == key


@pytest.mark.parametrize("content", [b"", b"short", base64.b64encode(bytes(16)), None])
def test_a_secret_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OperatorError, match="new-secret") as caught:
        loaded(tmp_path, f'[denylist]\nsecret_file = "{file}"\n').denylist.secret()
    assert not content or content.decode() not in str(caught.value)
    with pytest.raises(OperatorError, match="secret_file"):
        loaded(tmp_path, "").denylist.secret()


def test_the_page_is_fresh() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert page.read_text("utf-8") == reference.page(), "run: make docs"
