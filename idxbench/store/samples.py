"""``queries.npz``: what every query of a cell got, and how long it took."""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import Problem, ResultError

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


def read_samples(folder: Path) -> Iterator[CellSamples]:
    """Yield the cells of a run directory, one at a time; none where it has no ``queries.npz``.

    Raises
    ------
    ResultError
        The file can't be read, or is not ours.
    """
    path = folder / FILE
    if not path.is_file():
        return
    try:
        # Opened here: NumPy leaves a file open that turns out to be torn.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            names: dict[str, list[str]] = {}
            for name in file.files:
                names.setdefault(name.partition("/")[0], []).append(name)
            for position, cell in enumerate(file["cells"]):
                # A strategy may have bars in its name, the rest has none.
                strategy, index, build, search = str(cell).rsplit("|", 3)
                arrays = {name.partition("/")[2]: file[name] for name in names.get(str(position), ())}
                yield CellSamples(strategy, index, build, search, arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        torn = "a torn file, or one of another kind"
        found = error.strerror or torn if isinstance(error, OSError) else torn
        raise ResultError(
            Problem(str(path), f"a readable {FILE}", found, "remove it to read the run without its samples")
        ) from None
