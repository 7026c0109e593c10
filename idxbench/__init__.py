"""Which similarity, which transform and which vector index to serve, answered with evidence.

The names below are imported when they are first used: importing ``idxbench`` compiles nothing and loads
neither numba, scipy, scikit-learn nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from idxbench.version import __version__

if TYPE_CHECKING:
    from idxbench.api import run
    from idxbench.linalg.moments import second_moment
    from idxbench.measures.kmeans import kmeans
    from idxbench.records import Run, load_run
    from idxbench.strategies.catalogue import transform
    from idxbench.truth.exact import ExactIndex, exact_topk
    from idxbench.truth.similarity import similarity
    from idxbench.verdicts.diagnose import diagnose

_HOMES = {
    "ExactIndex": "idxbench.truth.exact",
    "Run": "idxbench.records",
    "diagnose": "idxbench.verdicts.diagnose",
    "exact_topk": "idxbench.truth.exact",
    "kmeans": "idxbench.measures.kmeans",
    "load_run": "idxbench.records",
    "run": "idxbench.api",
    "second_moment": "idxbench.linalg.moments",
    "similarity": "idxbench.truth.similarity",
    "transform": "idxbench.strategies.catalogue",
}

__all__ = [
    "ExactIndex",
    "Run",
    "__version__",
    "diagnose",
    "exact_topk",
    "kmeans",
    "load_run",
    "run",
    "second_moment",
    "similarity",
    "transform",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'idxbench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
