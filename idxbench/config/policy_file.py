"""Reading a policy: a TOML file of the keys that ``[gate]`` has in a config, every mistake reported together."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from idxbench.config.base import Table
from idxbench.config.load import read_toml
from idxbench.config.messages import config_error
from idxbench.config.metric_names import metric_problems
from idxbench.config.policy import MetricChange, Policy
from idxbench.errors import ConfigError, Problem


class _Holder(Table):
    """The table of a config around a policy, so that mistakes are found and told as they are there."""

    gate: Policy


def load_policy(path: Path) -> Policy:
    """Read a policy file.

    Raises
    ------
    ConfigError
        The file can't be read, is no TOML, breaks the schema, or names metrics that nothing has: all mistakes at once.
    """
    given = read_toml(path, "a readable policy file", "check the path: a TOML file with the keys of [gate]")
    if isinstance(given.get("gate"), Mapping):
        fix = "a policy file holds the keys of [gate] themselves: leave [gate] out, write [metrics.NAME]"
        raise ConfigError(Problem(f"{path}: gate", "the keys of a policy", "a table [gate] around them", fix))
    return parse_policy(given, str(path))


def parse_policy(given: Mapping[str, Any], source: str) -> Policy:
    """Check a policy given as a mapping.

    Raises
    ------
    ConfigError
        All mistakes at once.
    """
    held = {"gate": dict(given)}
    try:
        policy = _Holder.model_validate(held).gate
    except ValidationError as error:
        found = config_error(error, source, held).problems
        problems = [replace(one, where=one.where.replace(f"{source}: gate.", f"{source}: ", 1)) for one in found]
        raise ConfigError([*problems, *_of_metrics(given, source)]) from None
    problems = [*metric_problems(policy, f"{source}: ")]
    if problems:
        raise ConfigError(problems)
    return policy


def _of_metrics(given: Mapping[str, Any], source: str) -> list[Problem]:
    """Look at the names of metrics in a policy that breaks the schema elsewhere."""
    metrics = given.get("metrics")
    sound: dict[str, MetricChange] = {}
    for name, change in metrics.items() if isinstance(metrics, Mapping) else ():
        try:
            sound |= Policy.model_validate({"metrics": {name: change}}).metrics
        except ValidationError:
            # Told already.
            continue
    return [*metric_problems(Policy(metrics=sound), f"{source}: ")]
