"""Ground truth kept between runs, keyed by the content it was computed from and by nothing else.

A truth found by a file's name or a row count goes stale without a word; one found by a hash of every byte
of items, queries and parameters can't.
"""

import contextlib
import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idxbench.machine import cache_root
from idxbench.truth.exact import KERNEL_VERSION, Neighbors

# The oldest entries go when the cache outgrows this.
LIMIT_BYTES = 4 << 30


def truth_key(items: str, queries: str, metric: str, k: int, weight: str = "") -> str:
    """Return the key of a truth: a hash of content fingerprints, metric, weight, k and kernel version."""
    parts = json.dumps([KERNEL_VERSION, items, queries, metric, weight, k])
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class CachedTruth:
    """A truth and the seconds it once took to compute."""

    neighbors: Neighbors
    seconds: float


def read_truth(key: str) -> CachedTruth | None:
    """Return a cached truth, or None where there is none or it is damaged."""
    path = _path(key)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            neighbors = Neighbors(stored["ids"], stored["scores"], str(stored["engine"]), int(stored["n_scored"]))
            seconds = float(stored["seconds"])
        path.touch()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return CachedTruth(neighbors, seconds)


def write_truth(key: str, truth: CachedTruth) -> None:
    """Store a truth; a cache that can't be written is no error, the next run computes again."""
    path = _path(key)
    part = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    found = truth.neighbors
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            part,
            ids=found.ids,
            scores=found.scores,
            engine=found.engine,
            n_scored=found.n_scored,
            seconds=truth.seconds,
        )
        part.replace(path)
        _prune(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()


def _path(key: str) -> Path:
    return cache_root() / "truth" / f"{key}.npz"


def _prune(folder: Path) -> None:
    entries = sorted((entry.stat().st_mtime, entry.stat().st_size, entry) for entry in folder.glob("*.npz"))
    excess = sum(size for _, size, _ in entries) - LIMIT_BYTES
    for _, size, entry in entries[:-1]:
        if excess <= 0:
            return
        entry.unlink(missing_ok=True)
        excess -= size
