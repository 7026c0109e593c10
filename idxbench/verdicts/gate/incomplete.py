"""What a run failed to measure, and which run is meant: the newest of a folder, finished or not."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from idxbench.errors import Problem, ResultError
from idxbench.records import plain_parameters, start_of

# Either makes a folder one of a run.
_FILES = ("run.json", "journal.jsonl")


def newest_run(path: Path) -> Path:
    """Return a run directory: the path itself, or the newest below it, finished or not.

    A gate must not fall back on the night before where tonight's run has stopped.

    Raises
    ------
    ResultError
        There is no such folder.
    """
    if is_run(path):
        return path
    if not path.is_dir():
        found = "a file" if path.exists() else "no such folder"
        fix = "name the folder that holds run.json; the last line of 'idxbench run' says which it is"
        raise ResultError(Problem(str(path), "a run directory, or a folder of them such as results/NAME", found, fix))
    # A run that was killed at once has a journal and nothing else.
    folders = {file.parent for name in _FILES for file in path.glob(f"**/{name}")}
    return max(folders, key=lambda folder: start_of(folder, read_info(folder)), default=path)


def is_run(path: Path) -> bool:
    """Return whether a path is a run directory."""
    return any((path / name).is_file() for name in _FILES)


def read_info(folder: Path) -> Mapping[str, Any]:
    """Return ``run.json``, or nothing where there is none that can be read."""
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def unfinished(folder: Path) -> str:
    """Say why a run directory holds no finished run; empty where it does."""
    if not is_run(folder):
        return f"{folder} holds no run: nothing was measured"
    status = read_info(folder).get("status", "stopped before its first figure")
    return "" if status == "finished" else f"{folder} is not finished ({status})"


def failures(info: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a finished run could not measure, in words."""
    failed = info.get("failures", ())
    for one in failed:
        place = " ".join(filter(None, (one["strategy"], one["index"], plain_parameters(one["build"]))))
        yield f"{place or 'a unit'} failed: {one['reason']}"
    if not failed and info.get("exit_status"):
        yield f"the run ended with exit status {info['exit_status']}"
