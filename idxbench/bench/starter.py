"""The config that ``idxbench init`` writes: chosen by looking into the files, every choice explained."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.load import load_config
from idxbench.data.rows import row_norms
from idxbench.errors import ConfigError, DataError, Problem

# Rows looked at to see whether vectors have unit norm.
PEEK = 2_000


@dataclass(frozen=True)
class Seen:
    """What the files look like."""

    n_items: int
    n_dims: int
    n_queries: int
    unit_items: bool
    norm_spread: float


def write_starter(
    items: Path | None, queries: Path | None, labels: Path | None, out: Path, *, overwrite: bool = False
) -> None:
    """Inspect files and write a config for them.

    Parameters
    ----------
    items, queries, labels
        The user's files; all None writes a config for the built-in digits.
    out
        The config; paths inside are relative to its folder where they can be.
    overwrite
        Replace an existing file.

    Raises
    ------
    DataError
        A file can't be read, or they don't fit each other.
    ConfigError
        The config exists already, can't be written, or other files were named without items.
    """
    if items is None and (queries is not None or labels is not None):
        raise ConfigError(Problem("ITEMS", "a file of item vectors beside the others", "none"))
    if out.exists() and not overwrite:
        raise ConfigError(Problem(str(out), "a file that is not there yet", "it exists", "overwrite it with --force"))
    text = _digits() if items is None else _for_files(items, queries, labels, out.resolve().parent)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(Problem(str(out), "a file that can be written", error.strerror or str(error))) from None
    load_config(out)


def _digits() -> str:
    return (
        _HEAD.format(name="digits", k="[10]")
        + (
            "[data]\n"
            'source = "digits"           # 1,797 handwritten digits of 8 x 8 pixels, with their classes\n'
            "holdout = 200               # that many are taken out and asked as queries\n"
            'trained_with = "l2"         # pixels: distances mean something, norms too\n'
        )
        + _tail(64, 1_797)
    )


def _for_files(items: Path, queries: Path | None, labels: Path | None, folder: Path) -> str:
    from idxbench.data.check import check_widths
    from idxbench.data.labels import read_labels
    from idxbench.data.vectors import read_vectors

    vectors = read_vectors(items)
    asked = _paired_queries(items) if queries is None else read_vectors(queries, role="queries")
    if asked is not None:
        check_widths(vectors, asked, str(items), str(queries or items))
    if labels is not None:
        found, _ = read_labels(labels)
        if len(found.codes) != len(vectors):
            raise DataError(Problem(str(labels), f"{len(vectors)} labels, one per item", f"{len(found.codes)} labels"))
    seen = _look(vectors, asked)
    lines = ["[data]", f"items = {_path(items, folder)}   # {seen.n_items:,} x {seen.n_dims}, {vectors.dtype}"]
    lines += _query_lines(items, queries, seen, folder)
    if labels is not None:
        lines.append(f"labels = {_path(labels, folder)}   # one per item")
    lines += _training_lines(seen)
    depth = "[10]" if seen.n_items > 10 else f"[{max(1, seen.n_items // 2)}]"
    name = (
        "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in items.stem).strip("-._") or "run"
    )
    return _HEAD.format(name=name[:60], k=depth) + "\n".join(lines) + "\n" + _tail(seen.n_dims, seen.n_items)


def _paired_queries(items: Path) -> NDArray[Any] | None:
    """Return the queries that lie in the same file as the items, if the format has a place for them."""
    from idxbench.data.vectors import describe, read_vectors

    keys = {info.key for info in describe(items)} if items.is_file() else set()
    return read_vectors(items, role="queries") if keys & {"queries", "test"} else None


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


def _path(path: Path, folder: Path) -> str:
    resolved = path.resolve()
    inside = os.path.relpath(resolved, folder)
    # A JSON string is a TOML string, escapes included.
    return json.dumps(inside if not inside.startswith("..") else str(resolved), ensure_ascii=False)


def _query_lines(items: Path, queries: Path | None, seen: Seen, folder: Path) -> list[str]:
    if queries is not None:
        return [
            f"queries = {_path(queries, folder)}   # {seen.n_queries:,} of them",
            "towers = 2   # 1 if one model made both",
        ]
    if seen.n_queries:
        return [f"queries = {_path(items, folder)}   # {seen.n_queries:,}, from the same file"]
    held = min(1_000, seen.n_items // 10)
    if held == 0:
        return ["# queries = ...   # none given, and too few items to hold some out: only similar and cluster run"]
    return [f"holdout = {held}   # no queries given: that many items are taken out and asked instead"]


def _training_lines(seen: Seen) -> list[str]:
    choices = '"dot", "cosine", "l2" or "unknown"'
    if seen.unit_items:
        return [f'trained_with = "cosine"   # {choices}; guessed, as the items have norm 1']
    return [
        f'trained_with = "unknown"   # {choices}: the answers are graded against it, and unknown means dot',
        f"                           # (norms of the items spread by {seen.norm_spread:.0%} of their mean)",
    ]


def _tail(n_dims: int, n_items: int) -> str:
    rescaled = '{ kind = "rescaled", axis = 0, factor = 1000.0 }' if n_dims > 1 else '"rescaled"'
    counts = [count for count in (5, 20) if count <= n_items] or [1]
    return _TAIL.format(transform=rescaled, counts=counts)


_HEAD = """\
# Written by 'idxbench init'. Run it with: idxbench run THIS-FILE
name = "{name}"               # results go to results/{name}/
k = {k}                    # depths reported; the largest is searched
seed = 0
threads = 0                 # 0: every core this process may use
target_recall = 0.95        # the decision looks for the cheapest way to reach it

"""

_TAIL = """
# A strategy is a transform and a similarity. Take away or add what you like.
[[strategy]]
transform = "raw"

[[strategy]]
transform = "normalized"    # compared by cosine

# Queries are divided by the same factors, so every dot product stays; neighbours, clusters and graphs don't.
[[strategy]]
transform = {transform}
similarity = "dot"

[[index]]
kind = "hnswlib"
M = [16]                    # links per node; lists are swept
ef_construction = [100]
ef = [10, 20, 40, 80, 160]  # each index is built once and searched at all of these

[clusters]
counts = {counts}
seeds = 5

[measure]
rounds = 6                  # fewer than 6 rounds support no interval for a speed
"""
