"""Finding the run that ``--resume`` continues."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idxbench.store.journal import FORMAT


@dataclass(frozen=True)
class Sought:
    """What was found.

    Parameters
    ----------
    path
        The run to continue; None where there is none.
    why
        Then why not, in words.
    """

    path: Path | None
    why: str = ""


def find_unfinished(parent: Path, identity: Mapping[str, Any]) -> Sought:
    """Find the newest unfinished run of a configuration.

    Parameters
    ----------
    parent
        Of run directories.
    identity
        ``config``: hashes of the tables of the config; ``code``: the version of what measures. Both must be those of
        the run.
    """
    why = f"there is no run in {parent}"
    newest = True
    for file in sorted(parent.glob("*/run.json"), key=_age, reverse=True):
        info = _read(file)
        if info is None:
            continue
        reason = _why_not(info, identity)
        if not reason:
            return Sought(file.parent)
        if newest:
            why, newest = f"the newest run there, {file.parent.name}, {reason}", False
    return Sought(None, why)


def _why_not(info: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Return why a run can't be continued; empty where it can."""
    if info.get("status") == "finished":
        return "is finished"
    known = info.get("identity")
    if info.get("journal") != FORMAT or not isinstance(known, dict):
        return "has a journal that this idxbench does not continue"
    config, mine = known.get("config", {}), identity["config"]
    differing = [name for name in {**mine, **config} if config.get(name) != mine.get(name)]
    if differing:
        return f"has another configuration (differing in: {', '.join(differing)})"
    if known.get("code") != identity["code"]:
        return f"was measured by another idxbench ({known.get('code')}, this is {identity['code']})"
    return ""


def _age(file: Path) -> tuple[str, int]:
    """Return what later runs have more of: the time in their name and, within a second, that of their config."""
    try:
        return file.parent.name.partition("-")[0], (file.parent / "config.toml").stat().st_mtime_ns
    except OSError:
        return file.parent.name.partition("-")[0], 0


def _read(file: Path) -> dict[str, Any] | None:
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return info if isinstance(info, dict) else None
