"""Reading a config: from a file or from a mapping, with every mistake reported together."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from idxbench.config.messages import config_error
from idxbench.config.metric_names import metric_problems
from idxbench.config.schema import Config
from idxbench.errors import ConfigError, Problem


def load_config(path: Path) -> Config:
    """Read a TOML config; its relative paths are relative to its own folder.

    Raises
    ------
    ConfigError
        The file can't be read, is no TOML, or breaks the schema: all mistakes at once.
    """
    given = read_toml(path, "a readable config file", "check the path, or write one with: idxbench init")
    return parse_config(given, str(path), path.parent)


def read_toml(path: Path, expected: str, fix: str) -> dict[str, Any]:
    """Read a TOML file; ``expected`` and ``fix`` say what it should be and what to do where there is none.

    Raises
    ------
    ConfigError
        The file can't be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        fix = fix if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(Problem(str(path), expected, error.strerror or str(error), fix)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(Problem(str(path), "UTF-8 text", f"byte {error.start} is not")) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            Problem(str(path), "TOML", str(error), 'texts stand in quotes, tables in [brackets]: name = "run"')
        ) from None


def parse_config(given: Mapping[str, Any], source: str = "config", base: Path | None = None) -> Config:
    """Check a config given as a mapping; relative paths are relative to ``base`` (default: here).

    Raises
    ------
    ConfigError
        All mistakes at once.
    """
    try:
        config = Config.model_validate(dict(given), context={"base": base or Path()})
    except ValidationError as error:
        raise config_error(error, source, given) from None
    problems = [*metric_problems(config.gate, f"{source}: gate")]
    if problems:
        raise ConfigError(problems)
    return config
