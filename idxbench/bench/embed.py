"""Vectors as a strategy leaves them: transformed once, written down, memory-mapped by everyone after."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.inputs import Inputs
from idxbench.data.fingerprint import fingerprint
from idxbench.records import Notice
from idxbench.store.files import unwritable
from idxbench.strategies.catalogue import Space, apply_into, fit, row_blocks
from idxbench.strategies.transforms import Rows
from idxbench.truth.exact import ExactIndex


@dataclass(frozen=True)
class Embedded:
    """One strategy's vectors on disk.

    Parameters
    ----------
    space
        The strategy.
    items, queries
        Float32 memory maps; queries may be None.
    items_path, queries_path
        Their files.
    fingerprints
        Content hashes of ``items`` and ``queries``.
    exact
        Exact search in this space.
    facts
        What fitting the transforms found: the ``rank`` kept.
    """

    space: Space
    items: NDArray[np.float32]
    queries: NDArray[np.float32] | None
    items_path: Path
    queries_path: Path | None
    fingerprints: dict[str, str]
    exact: ExactIndex
    facts: dict[str, float]


def embed(space: Space, inputs: Inputs, folder: Path, threads: int) -> Embedded:
    """Fit a strategy on the items and write what it makes of items and queries.

    Parameters
    ----------
    space
        The strategy.
    inputs
        The data.
    folder
        Made, and filled with ``items.npy`` and ``queries.npy``.
    threads
        Of the exact search.

    Raises
    ------
    DataError
        Parameters that don't fit the data, or vectors that leave float32.
    """
    folder.mkdir()
    fitted = fit(space.transforms, inputs.items, inputs.fit_queries, same_space=inputs.same_space, threads=threads)
    items_path = folder / "items.npy"
    items = _write(inputs.items, fitted.items, items_path, f"strategy {space.name}: items")
    fingerprints = {"items": fingerprint(items)}
    queries, queries_path = None, None
    if inputs.queries is not None:
        queries_path = folder / "queries.npy"
        queries = _write(inputs.queries, fitted.queries, queries_path, f"strategy {space.name}: queries")
        fingerprints["queries"] = fingerprint(queries)
    exact = ExactIndex(items, space.similarity, threads=threads, keep=False)
    return Embedded(space, items, queries, items_path, queries_path, fingerprints, exact, dict(fitted.facts))


def rank_notice(embedded: Embedded, n_dims: int, score_change: float | None) -> Notice | None:
    """Say so where a fit kept fewer directions than the vectors have dimensions, unasked; else None."""
    rank = embedded.facts.get("rank")
    asked = any(getattr(spec, "rank", None) for spec in embedded.space.transforms)
    if rank is None or rank >= n_dims or asked:
        return None
    cost = ""
    if score_change is not None and np.isfinite(score_change):
        cost = f"; no score of those looked at changed by more than {score_change:.1e} of its query's range"
    return Notice(
        "rank-kept",
        f"{embedded.space.name} keeps {int(rank)} of {n_dims} directions: the others hold nothing beyond rounding"
        + cost,
    )


def _write(vectors: NDArray[Any], function: Any, path: Path, name: str) -> NDArray[np.float32]:
    first: Rows = function(np.asarray(vectors[:1], np.float64))
    shape = (len(vectors), int(first.shape[1]))
    try:
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        # A memory map on a full disk dies of SIGBUS, which nobody can catch: the room is taken first.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        raise unwritable(path.parent, error) from None
    apply_into((function(rows) for rows in row_blocks(vectors)), out, name)
    out.flush()
    del out
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
