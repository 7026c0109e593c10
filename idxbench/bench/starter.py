"""The config that ``idxbench init`` writes: chosen by looking into the files, every choice explained."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.config.load import load_config
from idxbench.data.check import check_vectors, check_widths
from idxbench.data.rows import row_norms
from idxbench.data.vectors import describe, read_vectors
from idxbench.errors import ConfigError, DataError, Problem

# Rows looked at to see whether vectors have unit norm.
PEEK = 2_000
# Names that say nothing about the data: the folder's name is put before them.
GENERIC = {"vectors", "items", "embeddings", "data", "train", "base", "x"}


@dataclass(frozen=True)
class Files:
    """The files a user named; ``label_key`` is a column or array of the labels."""

    items: Path | None
    queries: Path | None
    labels: Path | None
    label_key: str | None


@dataclass(frozen=True)
class Seen:
    """What the files look like, and what is guessed from it."""

    n_items: int
    n_dims: int
    n_queries: int
    unit_items: bool
    norm_spread: float

    @property
    def n_left(self) -> int:
        """Items that remain when some are held out for want of queries."""
        return self.n_items if self.n_queries else self.n_items - min(1_000, self.n_items // 10)

    @property
    def training(self) -> Literal["cosine", "unknown"]:
        """One table of vectors is mostly compared by cosine; of two towers nothing is known."""
        return "cosine" if self.unit_items or not self.n_queries else "unknown"


def write_starter(files: Files, out: Path, *, overwrite: bool = False) -> None:
    """Inspect files and write a config for them; without items, one for the built-in digits.

    Parameters
    ----------
    files
        The user's files.
    out
        The config; paths inside are relative to its folder where they can be.
    overwrite
        Replace an existing file.

    Raises
    ------
    DataError
        A file can't be read, holds NaN or infinity, or does not fit the others.
    ConfigError
        The config exists already, can't be written, or other files were named without items.
    """
    if files.items is None and (files.queries is not None or files.labels is not None):
        raise ConfigError(Problem("ITEMS", "a file of item vectors beside the others", "none"))
    if out.exists() and not overwrite:
        raise ConfigError(Problem(str(out), "a file that is not there yet", "it exists", "overwrite it with --force"))
    folder = out.resolve().parent
    if files.items is None:
        text = _digits()
    elif _is_ratings(files.items):
        text = _ratings(files.items, folder)
    else:
        text = _vectors(files, files.items, folder)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(Problem(str(out), "a file that can be written", error.strerror or str(error))) from None
    load_config(out)


def _digits() -> str:
    return (
        _head("digits", 10)
        + _line('source = "digits"', "1,797 handwritten digits of 8 x 8 pixels, with their classes")
        + _line("holdout = 200", "that many are taken out and asked as queries")
        + _line('trained_with = "l2"', "pixels: distances mean something, norms too")
        + _tail("l2", 64, 1_797)
    )


def _is_ratings(path: Path) -> bool:
    if path.suffix == ".npz" and path.is_file():
        return {"user", "item", "rating"} <= {array.key for array in describe(path)}
    return path.suffix == ".csv"


def _ratings(path: Path, folder: Path) -> str:
    return (
        _head(_name(path), 10)
        + _line('source = "factorized"', "the file holds ratings: they are factorized in closed form")
        + _line(f"ratings = {_path(path, folder)}")
        + _line("objective = 1", "1 leaves every invertible change of coordinates free, 2 only rotations")
        + _line("rank = 50")
        + _tail("dot", 50, 1_000)
    )


def _vectors(files: Files, items: Path, folder: Path) -> str:
    key = _only_key(items)
    vectors = read_vectors(items, key)
    check_vectors(vectors, str(items))
    inside = {array.key: array.shape for array in describe(items)} if items.is_file() else {}
    asked: NDArray[Any] | None = None
    if files.queries is not None:
        asked = read_vectors(files.queries, role="queries")
    elif key is None and inside.keys() & {"queries", "test"}:
        asked = read_vectors(items, role="queries")
    if asked is not None:
        check_widths(vectors, asked, str(items), str(files.queries or items))
    seen = _look(vectors, asked)
    lines = [_line(f"items = {_ref(items, key, folder)}", f"{seen.n_items:,} x {seen.n_dims}, {vectors.dtype}")]
    lines += _query_lines(items, files.queries, seen, folder)
    lines += _label_lines(files, items, inside, seen, folder)
    if seen.unit_items:
        lines.append(_line('trained_with = "cosine"', f"{_CHOICES}; guessed, as the items have norm 1"))
    elif seen.training == "cosine":
        lines.append(_line('trained_with = "cosine"', f"{_CHOICES}; guessed: one table, norms spread by"))
        lines.append(_line("", f"{seen.norm_spread:.0%}; all answers are graded against it"))
    else:
        lines.append(_line('trained_with = "unknown"', f"{_CHOICES}: all answers are graded against it,"))
        lines.append(_line("", "and unknown is taken for dot"))
    depth = 10 if seen.n_items > 10 else max(1, seen.n_items // 2)
    return _head(_name(items), depth) + "".join(lines) + _tail(seen.training, seen.n_dims, seen.n_left)


def _only_key(items: Path) -> str | None:
    """Return the key to write down where an npz file has one array of vectors under a name of its own."""
    if items.suffix != ".npz" or not items.is_file():
        return None
    keys = [array.key for array in describe(items) if len(array.shape) == 2]
    return keys[0] if len(keys) == 1 and keys[0] != "items" else None


def _look(items: NDArray[Any], queries: NDArray[Any] | None) -> Seen:
    norms = row_norms(np.asarray(items[:PEEK], np.float64))
    mean = float(norms.mean())
    return Seen(
        n_items=len(items),
        n_dims=int(items.shape[1]),
        n_queries=0 if queries is None else len(queries),
        unit_items=bool(np.all(np.abs(norms - 1.0) < 1e-3)),
        norm_spread=float(norms.std() / mean) if mean > 0 else 0.0,
    )


def _query_lines(items: Path, queries: Path | None, seen: Seen, folder: Path) -> list[str]:
    if queries is not None:
        return [
            _line(f"queries = {_path(queries, folder)}", f"{seen.n_queries:,} of them"),
            _line("towers = 2", "1 if one model made both"),
        ]
    if seen.n_queries:
        return [_line(f"queries = {_path(items, folder)}", f"{seen.n_queries:,}, from the same file")]
    held = seen.n_items - seen.n_left
    if held == 0:
        return ["# no queries, and too few items to hold some out: only similar and cluster run\n"]
    return [_line(f"holdout = {held}", "no queries given: that many items are taken out and asked instead")]


def _label_lines(files: Files, items: Path, inside: dict[str, tuple[int, ...]], seen: Seen, folder: Path) -> list[str]:
    from idxbench.data.labels import read_labels

    path, key = files.labels, files.label_key
    if path is None and len(inside.get("labels", ())) == 1:
        path, key = items, "labels"
    if path is None:
        return []
    try:
        found, _ = read_labels(path, key=key)
    except DataError as error:
        if key is not None:
            raise
        fix = "say which column with --label-key NAME"
        raise DataError([Problem(one.where, one.expected, one.found, fix) for one in error.problems]) from None
    if len(found.codes) != seen.n_items:
        raise DataError(Problem(str(path), f"{seen.n_items} labels, one per item", f"{len(found.codes)} labels"))
    return [_line(f"labels = {_ref(path, key, folder)}", f"{len(found.names)} classes")]


def _name(path: Path) -> str:
    parent = path.resolve().parent.name
    name = f"{parent}-{path.stem}" if path.stem.lower() in GENERIC and parent else path.stem
    kept = "".join(letter if (letter.isascii() and letter.isalnum()) or letter in "._-" else "-" for letter in name)
    return kept.strip("-._")[:60] or "run"


def _ref(path: Path, key: str | None, folder: Path) -> str:
    text = _path(path, folder)
    return text if key is None else f"{{ path = {text}, key = {json.dumps(key)} }}"


def _path(path: Path, folder: Path) -> str:
    inside = os.path.relpath(path.resolve(), folder)
    # A JSON string is a TOML string, escapes included.
    return json.dumps(inside if not inside.startswith("..") else str(path.resolve()), ensure_ascii=False)


def _line(text: str, comment: str = "") -> str:
    return f"{text:<31} # {comment}\n" if comment else f"{text}\n"


def _head(name: str, k: int) -> str:
    return (
        "# Written by 'idxbench init'. Run it with: idxbench run THIS-FILE\n"
        + _line(f'name = "{name}"', "results go to results/<name>/")
        + _line(f"k = [{k}]", "depths reported; the largest is searched")
        + _line("seed = 0")
        + _line("threads = 0", "0: every core this process may use")
        + _line("target_recall = 0.95", "the decision looks for the cheapest way to reach it")
        + "\n[data]\n"
    )


def _tail(training: str, n_dims: int, n_items: int) -> str:
    rescaled = '{ kind = "rescaled", axis = 0, factor = 1000.0 }' if n_dims > 1 else '"rescaled"'
    counts = [count for count in (5, 20) if count <= n_items]
    clusters = f"[clusters]\ncounts = {counts}\nseeds = 5\n\n" if counts else ""
    strategies = _BY_COSINE if training == "cosine" else _BY_DOT if training != "l2" else _BY_L2
    return strategies.format(rescaled=rescaled) + _INDEX + clusters + _MEASURE


_CHOICES = "dot, cosine, l2 or unknown"

_BY_COSINE = """
# A strategy is a transform and a similarity. Take away or add what you like.
[[strategy]]
transform = "normalized"        # compared by cosine

[[strategy]]
transform = "raw"               # what an inner-product index makes of the vectors as they are
similarity = "dot"

[[strategy]]
transform = ["centered", "normalized"]

# Item axes multiplied, query axes divided. A model trained by cosine does not have this freedom: see what it costs.
[[strategy]]
transform = {rescaled}
similarity = "cosine"
"""

_BY_DOT = """
# A strategy is a transform and a similarity. Take away or add what you like.
[[strategy]]
transform = "raw"
similarity = "dot"

[[strategy]]
transform = "normalized"        # compared by cosine

# Queries are divided by the same factors, so every dot product stays; neighbours, clusters and graphs don't.
[[strategy]]
transform = {rescaled}
similarity = "dot"
"""

_BY_L2 = """
# A strategy is a transform and a similarity. Take away or add what you like.
[[strategy]]
transform = "raw"

[[strategy]]
transform = "normalized"        # compared by cosine

[[strategy]]
transform = "standardized"      # every axis to mean 0 and deviation 1
"""

_INDEX = """
[[index]]
kind = "hnswlib"
M = [16]                        # links per node; lists are swept
ef_construction = [100]
ef = [10, 20, 40, 80, 160]      # each index is built once and searched at all of these

"""

_MEASURE = """[measure]
rounds = 6                      # fewer than 6 rounds support no interval for a speed
"""
