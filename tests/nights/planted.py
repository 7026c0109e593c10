"""Pythons whose hnswlib is worse by an amount that is known: planted regressions, real ones.

`planted_python` writes an executable that behaves as this Python, but for `HnswIndex`: every search spins on after it
has found its answer, for a share of the time it took, and searches with an ef that is smaller than it was told.
"""

import sys
from pathlib import Path

import idxbench

_PLANT = '''\
"""Imported by every start of Python that finds it: makes each hnswlib search longer, and its ef smaller."""
import time
from idxbench.indexes.hnsw import HnswIndex

found, told = HnswIndex.search, HnswIndex.set_search


def search(self, prepared, k, *, threads):
    start = time.perf_counter()
    answer = found(self, prepared, k, threads=threads)
    end = time.perf_counter()
    end += SHARE * (end - start)
    while time.perf_counter() < end:
        pass
    return answer


def set_search(self, parameters):
    told(self, {"ef": parameters["ef"] - LESS})


HnswIndex.search, HnswIndex.set_search = search, set_search
'''


def planted_python(folder: Path, *, slower: float = 0.0, less_ef: int = 0) -> Path:
    """Write an interpreter whose hnswlib takes ``1 + slower`` times as long and searches with a smaller ef."""
    folder.mkdir(parents=True)
    plant = _PLANT.replace("SHARE", repr(slower)).replace("LESS", repr(less_ef))
    (folder / "sitecustomize.py").write_text(plant, encoding="utf-8")
    python = folder / "python"
    home = Path(idxbench.__file__).parent.parent
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}:{home}" exec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return python
