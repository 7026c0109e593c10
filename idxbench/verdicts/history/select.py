"""Which figures are meant: words such as ``strategy=raw``, ``metric=qps_batch`` or ``ef=40``, that must all hold."""

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from idxbench.errors import ConfigError, Problem
from idxbench.store.history import CELL_COLUMNS, HistoryRow
from idxbench.verdicts.changes import Cell

ALL = "all"


def cell_of(row: HistoryRow) -> Cell:
    """Return the cell of a record."""
    return Cell(**{name: getattr(row, name) for name in CELL_COLUMNS})


def matches(cell: Cell, name: str, words: Sequence[str]) -> bool:
    """Return whether every word is true of a figure.

    ``KEY=PATTERN`` is about a column, a parameter of ``build`` or ``search``, or the config's ``name``; a word alone
    about strategy, index, similarity, task or metric (``recall``, ``recall@task``). Patterns have ``*`` and ``?``.
    """
    return all(word == ALL or _matches(cell, name, word) for word in words)


def check_words(words: Sequence[str], known: Iterable[tuple[str, Cell]], where: str = "CELL") -> None:
    """Make sure that words, given ``where``, mean something.

    Raises
    ------
    ConfigError
        No figure is meant by them; says which word alone means none.
    """
    cells = list(known)
    if any(matches(cell, name, words) for name, cell in cells):
        return
    alone = [word for word in words if not any(matches(cell, name, [word]) for name, cell in cells)]
    found = f"none for {' '.join(alone)}" if alone else f"none for {' '.join(words)} together"
    strategies = ", ".join(sorted({cell.strategy for _, cell in cells if cell.strategy})[:8])
    metrics = ", ".join(sorted({cell.measure for _, cell in cells})[:12])
    fix = f"strategies are {strategies}; metrics {metrics}; KEY=VALUE for others (ef=40, k=10, index=hnswlib)"
    raise ConfigError(Problem(where, "words that hold for a figure of the history", found, fix))


def _matches(cell: Cell, name: str, word: str) -> bool:
    key, equals, pattern = word.partition("=")
    # Names of strategies may hold a sign of their own: rescaled(axis=0).
    if not equals or not key.isidentifier():
        values = (cell.strategy, cell.index, cell.similarity, cell.task, cell.metric, cell.measure)
        return any(fnmatchcase(value, word) for value in values if value)
    return any(fnmatchcase(value, pattern) for value in _values(cell, name, key))


def _values(cell: Cell, name: str, key: str) -> list[str]:
    if key == "name":
        return [name]
    if key == "metric":
        return [cell.metric, cell.measure]
    if key in CELL_COLUMNS:
        return [str(getattr(cell, key))]
    parameters = [json.loads(text).get(key) for text in (cell.build, cell.search) if text]
    return [str(value) for value in parameters if value is not None]
