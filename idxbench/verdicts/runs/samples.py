"""Recall of every query, as ``queries.npz`` holds it."""

import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import Problem, ResultError
from idxbench.records import Measurement, Run

FILE = "queries.npz"


class Samples:
    """Reads the samples of runs, each file once."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, NDArray[Any]]] = {}

    def recall(self, run: Run, row: Measurement) -> NDArray[np.float64] | None:
        """Return each query's recall in a cell, NaN where it has none; None where the run did not keep it.

        Raises
        ------
        ResultError
            The file can't be read.
        """
        held = self._read(run)
        cell = "|".join((row.strategy, row.index, row.build, row.search))
        found = held.get(f"{cell}/{row.metric}_{row.reference}@{row.k}")
        return None if found is None else np.asarray(found, dtype=np.float64)

    def mean_recall(self, runs: Sequence[Run], rows: Sequence[Measurement]) -> NDArray[np.float64] | None:
        """Return each query's recall as a mean over runs; None where one did not keep it, or asked other queries."""
        found = [self.recall(run, row) for run, row in zip(runs, rows, strict=True)]
        kept = [values for values in found if values is not None]
        if len(kept) != len(found) or len({len(values) for values in kept}) != 1:
            return None
        return np.asarray(np.mean(kept, axis=0), dtype=np.float64)

    def _read(self, run: Run) -> dict[str, NDArray[Any]]:
        path = run.path / FILE
        if str(path) not in self._files:
            self._files[str(path)] = {}
            if path.is_file():
                try:
                    with np.load(path, allow_pickle=False) as file:
                        names = [str(name) for name in file["cells"]]
                        self._files[str(path)] = {
                            f"{names[int(number)]}/{what}": file[key]
                            for key in file.files
                            if "@" in key and (number := key.partition("/")[0]) and (what := key.partition("/")[2])
                        }
                except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
                    raise ResultError(Problem(str(path), f"a readable {FILE}", str(error))) from None
        return self._files[str(path)]
