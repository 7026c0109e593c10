"""Recall of every query, as ``queries.npz`` holds it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.records import Measurement, Run
from idxbench.store.samples import cell_name, read_samples


class Samples:
    """Reads the recall of each query in runs, each file once."""

    def __init__(self) -> None:
        self._files: dict[Path, dict[str, Mapping[str, NDArray[Any]]]] = {}

    def recall(self, run: Run, row: Measurement) -> NDArray[np.float64] | None:
        """Return each query's recall in a cell, NaN where it has none; None where the run did not keep it.

        Raises
        ------
        ResultError
            The file can't be read.
        """
        if run.path not in self._files:
            self._files[run.path] = {
                cell_name(one.strategy, one.index, one.build, one.search): one.arrays
                for one in read_samples(run.path, "recall_")
            }
        held = self._files[run.path].get(cell_name(row.strategy, row.index, row.build, row.search), {})
        found = held.get(f"{row.metric}_{row.reference}@{row.k}")
        return None if found is None else np.asarray(found, dtype=np.float64)

    def mean_recall(self, runs: Sequence[Run], rows: Sequence[Measurement]) -> NDArray[np.float64] | None:
        """Return each query's recall as a mean over runs; None where one did not keep it, or asked other queries."""
        found = [self.recall(run, row) for run, row in zip(runs, rows, strict=True)]
        kept = [values for values in found if values is not None]
        if len(kept) != len(found) or len({len(values) for values in kept}) != 1:
            return None
        return np.asarray(np.mean(kept, axis=0), dtype=np.float64)
