"""What makes two runs the same: the config, the code that measures, and the data."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from idxbench.bench.inputs import Inputs
from idxbench.config.schema import Config
from idxbench.errors import DataError, Problem
from idxbench.machine import resolve_threads
from idxbench.records import MEASURING
from idxbench.store.journal import unit_key
from idxbench.strategies.catalogue import resolve_strategies
from idxbench.version import __version__

# What of the config a unit depends on, beside its strategy; what is not named here depends on `_RETRIEVAL`.
_SLICES: dict[str, tuple[str, ...]] = {
    "diagnosis": ("seed", "data", "diagnose"),
    "similar": ("seed", "similar"),
    "cluster": ("seed", "clusters"),
    "validate": ("seed", "k", "validation"),
    "probe": ("seed", "k", "probe", "index", "similar", "clusters"),
    "recover": ("seed", "recover", "clusters"),
}
_RETRIEVAL = ("seed", "k", "threads", "measure")


def identity(config: Config, only: Sequence[str]) -> dict[str, Any]:
    """Return what a resumed run must share with the one it continues, as plain JSON values.

    Returns
    -------
    ``config``: a hash of every table of the resolved config, with the strategies and indexes kept; ``code``: the
    version of what measures; ``files``: hashes of the files that the config names, but for the vectors, whose content
    the fingerprints tell.
    """
    return {
        "config": _tables(config, only),
        "code": f"{MEASURING}/{__version__}",
        "files": {key: _file_hash(path) for key, path in _files(config.model_dump()) if path.is_file()},
    }


def identify_units(config: Config, only: Sequence[str], inputs: Inputs) -> Callable[[Mapping[str, Any]], str]:
    """Return a function that names a unit by all that its figures depend on: the same in every run that has it."""
    tables, code = _tables(config, only), f"{MEASURING}/{__version__}"
    spaces = {space.name: (space.described, space.similarity) for space in resolve_strategies(config)}
    data = [inputs.fingerprints, inputs.trained_with, inputs.towers]

    def identify(unit: Mapping[str, Any]) -> str:
        names = _SLICES.get(str(unit.get("kind")), _RETRIEVAL)
        parts = [unit_key(unit), [tables[name] for name in names], spaces.get(unit.get("strategy", "")), data, code]
        return _hash(json.dumps(parts, sort_keys=True))

    return identify


def check_files(known: Mapping[str, Any], files: Mapping[str, str], folder: Path) -> None:
    """Refuse to go on where a file that the config names is another than it was.

    Raises
    ------
    DataError
        Names the keys of the config.
    """
    before = known.get("identity", {}).get("files")
    if before is None:
        return  # a run that begins
    changed = [key for key in {**before, **files} if before.get(key) != files.get(key)]
    if changed:
        raise _changed(folder, ", ".join(changed))


def check_data(known: Mapping[str, Any], inputs: Inputs, folder: Path) -> None:
    """Refuse to go on where items or queries are others than they were.

    Raises
    ------
    DataError
        Says which.
    """
    before = known.get("data", {}).get("fingerprints")
    if before is not None and before != inputs.fingerprints:
        names = {**before, **inputs.fingerprints}
        raise _changed(folder, ", ".join(name for name in names if before.get(name) != inputs.fingerprints.get(name)))


def _changed(folder: Path, names: str) -> DataError:
    fix = "run without --resume to begin afresh, or bring the old data back"
    return DataError(Problem(str(folder), "the data that the run began with", f"data changed since: {names}", fix))


def _tables(config: Config, only: Sequence[str]) -> dict[str, str]:
    tables = config.model_dump() | {"threads": resolve_threads(config.threads), "only": sorted(set(only))}
    return {name: _hash(json.dumps(_plain(table), sort_keys=True)) for name, table in tables.items()}


def _plain(value: Any) -> Any:
    """Return what JSON can hold: a file is the same from whichever folder it is named."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value.resolve()) if isinstance(value, Path) else value


def _files(value: Any, key: str = "") -> Iterator[tuple[str, Path]]:
    if key in ("data.items", "data.queries", "environment"):
        return
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _files(one, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for position, one in enumerate(value):
            yield from _files(one, f"{key}[{position}]")
    elif isinstance(value, Path):
        yield key, value


def _file_hash(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        # Whoever reads it says why it can't be read.
        return ""
    return digest.hexdigest()


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
