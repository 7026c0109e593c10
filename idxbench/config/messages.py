"""What is said when a config is wrong: the dotted key, what was expected, what stood there, the fix."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from idxbench.config.base import ArrayFile
from idxbench.config.diagnose import Diagnose
from idxbench.config.policy import MetricChange, Policy
from idxbench.config.probe import Probe
from idxbench.config.recover import Recover, RecoverModel
from idxbench.config.schema import INDEXES, SOURCES, Clusters, Config, Environment, Measure, Similar, Strategy
from idxbench.config.transforms import TRANSFORMS
from idxbench.config.validation import Validation
from idxbench.errors import ConfigError, Problem

_TAGS = {*SOURCES, *INDEXES, *TRANSFORMS}
_PATTERNS = {
    "name": "letters, digits, dots, dashes and underscores, starting with a letter or digit, 64 at most",
    "base_url": "an address that starts with http:// or https://",
    "sha256": "64 hexadecimal digits",
}
_ARRAY_KEYS = {"items", "queries", "labels", "query_labels", "neighbors", "names", "query_names"}
_WORDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "path_type": "a path in quotes",
    "is_instance_of": "a path in quotes",
    "model_type": "a table of keys",
    "dict_type": "a table of keys",
    "too_short": "at least one value",
    "missing": "a value: this key has no default",
    "finite_number": "a finite number",
    "union_tag_not_found": "a table of keys",
}


def config_error(error: ValidationError, source: str, given: Mapping[str, Any]) -> ConfigError:
    """Turn what pydantic found into problems, one per mistake, in the order of the file."""
    problems: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        path = _config_path(detail, given)
        where = f"{source}: {dotted(path)}" if path else source
        # One value tried against several types fails once per type: the first message is enough.
        problems.setdefault(where, _problem(where, path, detail, given))
    return ConfigError(tuple(problems.values()))


def dotted(path: Iterable[str | int]) -> str:
    """Write a path as in ``index[0].M``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word closest to a misspelled one, if any is close."""
    by_lower = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else None


def _config_path(detail: ErrorDetails, given: Any) -> tuple[str | int, ...]:
    """Drop from pydantic's location what is no part of the file: union tags, and lists that were none."""
    path: list[str | int] = []
    value = given
    for position, part in enumerate(detail["loc"]):
        # Only these two name a key that the file may not hold.
        last = detail["type"] in ("missing", "extra_forbidden") and position == len(detail["loc"]) - 1
        if isinstance(value, Mapping | list) and _has(value, part):
            value = _child(value, part)
        elif not last or isinstance(part, int) or not isinstance(value, Mapping):
            continue
        path.append(part)
    return tuple(path)


def _problem(where: str, path: tuple[str | int, ...], detail: ErrorDetails, given: Mapping[str, Any]) -> Problem:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(where, path, given)
    if kind == "missing":
        return Problem(where, _WORDS[kind], "nothing", _fix_missing(path))
    if kind in ("model_type", "dict_type") and path and path[-1] in _ARRAY_KEYS:
        kind = "path_type"
    if kind == "string_pattern_mismatch":
        expected = "a text of one line" if {"strategy", "recover"} & set(path) else _PATTERNS[str(path[-1])]
        return Problem(where, expected, _found(detail["input"], path, given))
    expected = _WORDS.get(kind) or _plain(detail["msg"])
    found = _found(detail["input"], path, given)
    fix = ""
    if kind in ("kind", "source", "literal_error") and isinstance(detail["input"], str | Mapping):
        fix = _nearest_choice(detail)
    if kind == "tuple_type" and path in (("strategy",), ("index",), ("recover", "model")):
        fix = f"write [[{dotted(path)}]], with two brackets: there may be several"
    return Problem(where, expected, found, fix)


def _plain(message: str) -> str:
    """Strip from pydantic's text the words a reader of 'expected:' does not need."""
    for prefix in ("Input should be ", "Value should be ", "String should have ", "Value should have "):
        message = message.removeprefix(prefix)
    return message


def _unknown_key(where: str, path: tuple[str | int, ...], given: Mapping[str, Any]) -> Problem:
    key = str(path[-1])
    known = valid_keys(path[:-1], given)
    close = nearest(key, known)
    expected = "one of the keys " + ", ".join(known)
    return Problem(where, expected, f"the unknown key {key!r}", f"did you mean {close!r}?" if close else "")


def _fix_missing(path: tuple[str | int, ...]) -> str:
    if path in ((), ("data",)):
        return 'add a table [data] with items = "your-items.npy", or source = "digits"'
    if path == ("data", "items"):
        return 'name the file of item vectors, or choose a built-in one: source = "digits"'
    return f"add {path[-1]} = ..."


def _nearest_choice(detail: ErrorDetails) -> str:
    value = detail["input"]
    if isinstance(value, Mapping):
        value = value.get("kind", value.get("source", ""))
        if not value:
            return 'say which: kind = "..."'
    choices = _TAGS if detail["type"] != "literal_error" else _expected_words(detail)
    close = nearest(str(value), sorted(choices))
    return f"did you mean {close!r}?" if close else ""


def _expected_words(detail: ErrorDetails) -> set[str]:
    return {word.strip(" '") for word in detail.get("ctx", {}).get("expected", "").replace(" or ", ",").split(",")}


def _found(value: Any, path: tuple[str | int, ...], given: Any) -> str:
    for part in path:
        given = _child(given, part) if isinstance(given, Mapping | list) and _has(given, part) else value
    text = repr(given)
    return text if len(text) <= 80 else text[:77] + "..."


def _child(value: Any, part: str | int) -> Any:
    return value[part]


def _has(value: Mapping[str, Any] | list[Any], part: str | int) -> bool:
    return part in value if isinstance(value, Mapping) else isinstance(part, int) and part < len(value)


def valid_keys(path: tuple[str | int, ...], given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that a table of the config may hold.

    Parameters
    ----------
    path
        Where the table stands: ``("index", 0)``; empty for the top level.
    given
        The config as read, which tells a table's ``source`` or ``kind``.
    """
    table: Any = given
    for part in path:
        table = table[part]
    names = [part for part in path if isinstance(part, str)]
    kind = table.get("kind") if isinstance(table, Mapping) else None
    models: dict[str, type[BaseModel] | None] = {
        "data": SOURCES.get(table.get("source", "files")) if isinstance(table, Mapping) else None,
        "strategy": Strategy,
        "transform": TRANSFORMS.get(str(kind)),
        "index": INDEXES.get(str(kind)),
        "similar": Similar,
        "clusters": Clusters,
        "measure": Measure,
        "diagnose": Diagnose,
        "probe": Probe,
        "recover": Recover,
        "model": RecoverModel,
        "validation": Validation,
        "gate": Policy,
        # Tables whose keys are names that the user gives.
        "environment.*": Environment,
        "metrics.*": MetricChange,
    }
    named = f"{names[-2]}.*" if len(names) > 1 else ""
    last = named if named in models else names[-1] if names else ""
    model = Config if not names else ArrayFile if last in _ARRAY_KEYS else models.get(last)
    return tuple(model.model_fields) if model else ()
