"""Finding figures of a run by what they are about."""

import json
from collections.abc import Iterable

from idxbench.records import Measurement, Run


class Figures:
    """The measurements of one task, found by their columns."""

    def __init__(self, run: Run, task: str) -> None:
        self.rows = tuple(row for row in run.measurements if row.task == task)
        self._table = {
            (row.strategy, row.index, row.build, row.search, row.k, row.metric, row.reference): row for row in self.rows
        }

    def get(self, like: Measurement, metric: str, reference: str = "", *, k: int | None = None) -> Measurement | None:
        """Return another figure of the same cell, at its depth or at ``k``."""
        depth = like.k if k is None else k
        return self._table.get((like.strategy, like.index, like.build, like.search, depth, metric, reference))

    def of(self, strategy: str, metric: str, reference: str = "", *, k: int = 0) -> Measurement | None:
        """Return a figure of a strategy that no index took part in."""
        return self._table.get((strategy, "", "", "", k, metric, reference))

    def value(self, like: Measurement, metric: str, reference: str = "", *, k: int | None = None) -> float | None:
        """Return the value of `get`, or None."""
        row = self.get(like, metric, reference, k=k)
        return None if row is None else row.value

    def strategies(self) -> list[str]:
        """Return the strategies, in the order they were measured, without the reference itself."""
        return unique(row.strategy for row in self.rows if row.strategy and row.strategy != "reference")

    def only_kind(self) -> str:
        """Return the kind of index where there is one only; empty otherwise."""
        kinds = unique(row.index for row in self.rows if row.index)
        return kinds[0] if len(kinds) == 1 else ""

    def swept(self) -> bool:
        """Return whether any search has parameters, as those of graphs have; exact searches have none."""
        return any(row.search for row in self.rows)

    def depths(self, metric: str) -> list[int]:
        """Return the depths at which something was measured, ascending."""
        return sorted({row.k for row in self.rows if row.metric == metric})


def unique(values: Iterable[str]) -> list[str]:
    """Return values once each, in their order."""
    return list(dict.fromkeys(values))


def index_name(index: str, build: str, only_kind: str = "") -> str:
    """Write an index shortly: ``hnswlib M16 c200 in release``; ``M16 c200`` where ``hnswlib`` is the only kind."""
    if not build:
        return index
    short = {"M": "M", "ef_construction": "c", "seed": "s", "environment": "in "}
    parameters = [f"{short.get(key, key + '=')}{value}" for key, value in json.loads(build).items()]
    return " ".join(parameters if index == only_kind else [index, *parameters])


def search_name(search: str) -> str:
    """Write search parameters shortly: the ef, or nothing."""
    if not search:
        return ""
    parameters = json.loads(search)
    return str(parameters["ef"]) if list(parameters) == ["ef"] else search
