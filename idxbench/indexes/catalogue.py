"""Indexes by the name their library has in the config."""

from collections.abc import Mapping
from typing import Any

from idxbench.config.schema import Similarity
from idxbench.indexes.base import VectorIndex


def effective_searches(
    kind: str, sweep: tuple[dict[str, Any], ...], k: int
) -> tuple[tuple[dict[str, Any], ...], tuple[int, ...]]:
    """Return the searches that will really run, and the ``ef`` values below k that they replace.

    hnswlib raises an ef below k to k without a word; running those would print the same figures several
    times under different names.
    """
    if kind != "hnswlib":
        return sweep, ()
    raised = tuple(search["ef"] for search in sweep if search["ef"] < k)
    efs = sorted({max(search["ef"], k) for search in sweep})
    return tuple({"ef": ef} for ef in efs), raised


def make_index(kind: str, build: Mapping[str, Any], similarity: Similarity) -> VectorIndex:
    """Make an unbuilt index by the name its library has in the config."""
    if kind == "hnswlib":
        from idxbench.indexes.hnsw import HnswIndex

        return HnswIndex(similarity, M=build["M"], ef_construction=build["ef_construction"])
    if kind == "exact":
        from idxbench.indexes.exact import ExactSearchIndex

        return ExactSearchIndex(similarity)
    raise ValueError(f"no index kind {kind!r}")
