"""``queries.npz``: what every query of a cell got, and how long it took.

``cells`` names the cells, ``<i>/<what>`` holds the samples of cell i.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.store.npz import opened

FILE = "queries.npz"


@dataclass(frozen=True)
class CellSamples:
    """The samples of one cell.

    Parameters
    ----------
    strategy, index, build, search
        As in ``measurements.csv``.
    arrays
        By name: ``latency`` (rounds, q) seconds, ``recall_task@10`` (q,), ...
    """

    strategy: str
    index: str
    build: str
    search: str
    arrays: Mapping[str, NDArray[Any]]


def cell_name(strategy: str, index: str, build: str, search: str) -> str:
    """Return a cell's name in the file."""
    return "|".join((strategy, index, build, search))


def gathered(cells: Iterable[tuple[str, Mapping[str, NDArray[Any]]]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of the file, from those of each cell by its name."""
    names: list[str] = []
    arrays: dict[str, NDArray[Any]] = {}
    for number, (name, held) in enumerate(cells):
        names.append(name)
        arrays |= {f"{number}/{what}": values for what, values in held.items()}
    return {"cells": np.array(names, dtype=np.str_)} | arrays


def read_samples(folder: Path, start: str = "") -> Iterator[CellSamples]:
    """Yield the cells of a run directory, one at a time; none where it has no ``queries.npz``.

    Parameters
    ----------
    folder
        The run directory.
    start
        Of the names of the arrays that are wanted; the others are not read.

    Raises
    ------
    ResultError
        The file can't be read, or is not ours.
    """
    path = folder / FILE
    if not path.is_file():
        return
    with opened(path, "samples") as file:
        names: dict[str, list[tuple[str, str]]] = {}
        for name in file.files:
            number, _, what = name.partition("/")
            if what.startswith(start):
                names.setdefault(number, []).append((what, name))
        for position, cell in enumerate(file["cells"]):
            # A strategy may have bars in its name, the rest has none.
            strategy, index, build, search = str(cell).rsplit("|", 3)
            arrays = {what: file[name] for what, name in names.get(str(position), ())}
            yield CellSamples(strategy, index, build, search, arrays)
