"""docs/configuration.md, from the models. `python -m crawlsieve.config.reference` prints it."""

from datetime import timedelta
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from crawlsieve.config import environment
from crawlsieve.config.durations import written
from crawlsieve.config.events import EventsSettings, SignalField
from crawlsieve.config.feeds import FeedSettings
from crawlsieve.config.kafka import OURS, REGISTRY_KEYS

_HEAD = """\
# Configuration

Made by `python -m crawlsieve.config.reference` from the models; change those, not this page.

One TOML file serves all verbs; `--config FILE` or `CRAWLSIEVE_CONFIG` names it. `crawlsieve check-config` says
everything that is wrong at once. Lengths of time are written `50ms`, `10s`, `5m`, `6h`, `30d`. Relative paths start
from the working directory.

Every setting has an environment variable, which wins over the file; an empty one counts as unset, and an unknown one
that begins with `CRAWLSIEVE_` is an error (except what Kubernetes adds for a service of that name). Tables and lists
are written there as TOML in one line: `CRAWLSIEVE_EVENTS_SIGNALS='{ url = "url", image_md5 = "md5" }'`.

## [kafka]

Goes to librdkafka as it is: TLS, SASL and tuning as in its CONFIGURATION.md. `"bootstrap.servers"` is the only key that
must be there. `[kafka.consumer]` and `[kafka.producer]` are for one side only and win over `[kafka]`. Nested tables and
quoted keys mean the same: `sasl.username = "x"`, `"sasl.username" = "x"`.

Environment: `CRAWLSIEVE_KAFKA__` and the key in capitals with `_` for `.`, such as
`CRAWLSIEVE_KAFKA__BOOTSTRAP_SERVERS` or `CRAWLSIEVE_KAFKA__SASL_PASSWORD`; for one side
`CRAWLSIEVE_KAFKA_CONSUMER__` and `CRAWLSIEVE_KAFKA_PRODUCER__`.

These keys carry a guarantee and are refused:

| key | why |
| --- | --- |
"""

_REGISTRY = """
## [schema_registry]

A Schema Registry with Confluent's REST API. Without this section, writer schemas come from `events.schemas_dir`.

| key | default | meaning |
| --- | --- | --- |
| `url` | required | Where it is, such as `http://registry:8081`. Environment: `CRAWLSIEVE_SCHEMA_REGISTRY_URL`. |

These go to confluent-kafka's registry client as they are: KEYS.
Environment: `CRAWLSIEVE_SCHEMA_REGISTRY__BASIC_AUTH_USER_INFO` and so on.
"""

_SIGNAL_FIELD = """
### A mapped field

`signals.url = "url"` is short for `signals.url = { signal = "url" }`. Dots reach into records, quoted or not:
`signals."hashes.pdq" = "pdq"`. A field that has the name of an option (`signal`, `encoding`, `optional`, `invalid`)
inside of a record needs the quotes.

"""

_KEYING = """
The secret itself may come from `CRAWLSIEVE_DENYLIST_KEYING` instead of a file. It is base64 of at least 32 bytes, or at
least 32 bytes of anything else; the file may end in a line break.
"""

_FEEDS = """
## [feeds.NAME]

One partner's list. Environment: `CRAWLSIEVE_FEEDS__NAME__KEY`, with `_` for `-` and `.` in the name, such as
`CRAWLSIEVE_FEEDS__PARTNER_URLS__SOURCE`. Only `refresh` reads these sections: a feed's policy travels in the denylist.

"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    parts += [f"| `{key}` | {reason} |\n" for key, reason in OURS.items()]
    parts.append("| `enable.auto.*` | offsets are committed by transactions only |\n")
    parts.append(_REGISTRY.replace("KEYS", ", ".join(f"`{key}`" for key in REGISTRY_KEYS)))
    for section, model in environment.FIXED.items():
        parts.append(f"\n## [{section}]\n\n{model.__doc__}\n\n")
        parts.append(_table(model, section))
        if model is EventsSettings:
            parts.append(_SIGNAL_FIELD + _table(SignalField, None))
        if section == "denylist":
            parts.append(_KEYING)
    return "".join([*parts, _FEEDS, _table(FeedSettings, None)])


def _table(model: type[BaseModel], section: str | None) -> str:
    with_variable = section is not None
    lines = ["| key | values | default | meaning |" + (" environment |" if with_variable else "")]
    lines.append("| --- | --- | --- | --- |" + (" --- |" if with_variable else ""))
    for name, info in model.model_fields.items():
        cells = [f"`{name}`", _values(info.annotation), _default(info), info.description or ""]
        if section is not None:
            cells.append(f"`{environment.variable(section, name)}`")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _values(annotation: Any) -> str:  # noqa: ANN401  what typing's own functions take
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if origin in (dict, tuple):
        return "table" if origin is dict else "list"
    inner = [part for part in get_args(annotation) if part is not type(None)]
    if inner:
        return _values(inner[0])
    names = {"str": "string", "int": "number", "float": "number", "bool": "`true`, `false`", "Path": "path"}
    names["timedelta"] = "length of time"
    return names[annotation.__name__]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if "efault" in (info.description or ""):
        return "see meaning"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value == {}:
        return "none"
    return f"`{_toml(value)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return f'"{written(value)}"'
    if isinstance(value, tuple):
        return "[]"
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    print(page(), end="")
