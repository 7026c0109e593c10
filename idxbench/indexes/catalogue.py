"""Indexes by the name their library has in the config."""

import sys
from collections.abc import Mapping
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from idxbench.config.schema import Similarity
from idxbench.indexes.base import VectorIndex

# Exact searches: where each is found, a module and a class. They have no parameters.
EXACT = {
    "exact": ("exact", "ExactSearchIndex"),
    "numpy": ("numpy_exact", "NumpyIndex"),
    "faiss-flat": ("faiss_flat", "FaissFlatIndex"),
    "sklearn": ("sklearn_exact", "SklearnIndex"),
    "usearch-exact": ("usearch_exact", "UsearchExactIndex"),
}
# What each runs on, by the name it is installed by.
LIBRARIES = {
    "hnswlib": "hnswlib",
    "exact": "idxbench",
    "numpy": "numpy",
    "faiss-flat": "faiss",
    "sklearn": "scikit-learn",
    "usearch-exact": "usearch",
}
# Kinds whose library is no dependency of this package: what is imported, and the extra that installs it.
EXTRAS = {"faiss-flat": ("faiss", "faiss"), "usearch-exact": ("usearch", "usearch")}


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


def batch_threads(kind: str, n_queries: int, threads: int) -> int:
    """Return how many threads really answer a batch: hnswlib takes one for a batch of at most 4 rows per thread."""
    return 1 if kind == "hnswlib" and n_queries <= 4 * threads else threads


def library_version(kind: str) -> tuple[str, str]:
    """Return the library that an index, once made, runs on, and its version here: ``unknown`` where it has none."""
    library = LIBRARIES[kind]
    try:
        return library, metadata.version(library)
    except metadata.PackageNotFoundError:
        # Some come under other names: faiss as faiss-cpu or, from conda, as nothing that Python knows of.
        return library, str(getattr(sys.modules.get(library), "__version__", "unknown"))


def missing_extra(kind: str) -> tuple[str, str] | None:
    """Return the library and the extra of this package that an index needs and that is not installed, or None."""
    if kind not in EXTRAS:
        return None
    library, extra = EXTRAS[kind]
    return None if find_spec(library) else (library, extra)


def make_index(kind: str, build: Mapping[str, Any], similarity: Similarity) -> VectorIndex:
    """Make an unbuilt index by the name its library has in the config."""
    if kind == "hnswlib":
        from idxbench.indexes.hnsw import HnswIndex

        return HnswIndex(similarity, M=build["M"], ef_construction=build["ef_construction"])
    if kind in EXACT:
        module, name = EXACT[kind]
        index: VectorIndex = getattr(import_module(f"idxbench.indexes.{module}"), name)(similarity)
        return index
    raise ValueError(f"no index kind {kind!r}")


def load_index(
    kind: str, build: Mapping[str, Any], similarity: Similarity, saved: Path, items: Path, *, threads: int
) -> VectorIndex:
    """Return an index that was built and saved before.

    Kinds without a file of their own are built again: they are exact, so it is the same index, whatever the seed.

    Parameters
    ----------
    kind, build, similarity
        As it was made.
    saved
        Where it was saved.
    items
        The ``.npy`` file it was built from; read only by kinds that are built again.
    threads
        Of building again.

    Raises
    ------
    ResultError
        What was saved is missing or broken.
    """
    if kind == "hnswlib":
        from idxbench.indexes.hnsw import HnswIndex

        return HnswIndex.load(saved)
    index = make_index(kind, build, similarity)
    rows = np.ascontiguousarray(np.load(items, allow_pickle=False))
    index.build(rows, seed=0, threads=threads, progress=lambda n: None)
    return index
