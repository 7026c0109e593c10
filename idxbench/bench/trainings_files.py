"""What ``idxbench compare`` of two trainings reads: vectors and ids of both, checked and joined."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Similarity
from idxbench.data.check import check_finite, check_widths
from idxbench.data.ids import read_ids, split_key
from idxbench.data.joined import Joined, Rows, join_rows
from idxbench.data.vectors import Role, read_vectors
from idxbench.errors import ConfigError, DataError, Problem
from idxbench.records import Notice

TRAINED: dict[str, Similarity] = {"dot": "dot", "cosine": "cosine", "l2": "l2", "unknown": "dot"}


@dataclass(frozen=True)
class TrainingFiles:
    """The files of one training; any of them may be ``FILE::NAME``, an array or column of a file with several.

    Parameters
    ----------
    items, queries
        Vectors of any format; queries may be None.
    item_ids, query_ids
        One id per row; None where the number of the row is the id.
    """

    items: Path
    queries: Path | None = None
    item_ids: Path | None = None
    query_ids: Path | None = None


@dataclass(frozen=True)
class TrainingsRequest:
    """What the command line asks for.

    Parameters
    ----------
    base, new
        The files of both trainings.
    trained_with, towers
        ``dot``, ``cosine``, ``l2`` or ``unknown``; 1 or 2.
    k
        Depth of neighbour lists, at least 1.
    clusters, seeds
        Number of clusters, and of seeds they are made with, at least 2.
    sample
        The most items and queries that ask, at least 1.
    seed
        Of samples, halves and clusters.
    threads
        None and 0 mean every usable core.
    """

    base: TrainingFiles
    new: TrainingFiles
    trained_with: str = "dot"
    towers: int = 2
    k: int = 10
    clusters: int = 20
    seeds: int = 5
    sample: int = 5000
    seed: int = 0
    threads: int | None = None


@dataclass(frozen=True)
class Training:
    """The vectors of one training.

    Parameters
    ----------
    items
        (m, d) the joined items, in the order of the base.
    queries
        (q, d) all queries, or None.
    """

    items: NDArray[Any]
    queries: NDArray[Any] | None


@dataclass(frozen=True)
class Trainings:
    """Two trainings, row i of the items of one standing for row i of the other.

    Parameters
    ----------
    base, new
        Their vectors.
    items, queries
        How rows were joined; ``queries`` is None without queries.
    notices
        What the reader must know about the files.
    """

    base: Training
    new: Training
    items: Joined
    queries: Joined | None
    notices: tuple[Notice, ...]


def read_trainings(request: TrainingsRequest) -> Trainings:
    """Read, check and join; every file that can't be read is told about in one go.

    Raises
    ------
    ConfigError
        An option is unknown, or a file is named for one side only.
    DataError
        A file is missing, broken or not finite, ids do not fit or repeat, widths differ, or fewer than 2 items
        are in both.
    """
    _check_options(request)
    problems: list[Problem] = []

    def tried(path: Path | None, ids: Path | None, role: Role) -> _Read | None:
        try:
            return None if path is None else _read(path, ids, role)
        except DataError as error:
            problems.extend(error.problems)
            return None

    sides = (request.base, request.new)
    items = [tried(files.items, files.item_ids, "items") for files in sides]
    queries = [tried(files.queries, files.query_ids, "queries") for files in sides]
    if problems:
        raise DataError(problems)
    base, new = (found for found in items if found is not None)
    asked = [found for found in queries if found is not None]
    for side, other in zip((base, new), asked, strict=False):
        check_widths(side.vectors, other.vectors, side.rows.where, other.rows.where)
    joined = _join_items(base.rows, new.rows)
    joined_queries = join_rows(asked[0].rows, asked[1].rows) if asked else None
    return Trainings(
        Training(_taken(base.vectors, joined.base), asked[0].vectors if asked else None),
        Training(_taken(new.vectors, joined.new), asked[1].vectors if asked else None),
        joined,
        joined_queries,
        tuple(_notices((base, new), joined, joined_queries)),
    )


def _check_options(request: TrainingsRequest) -> None:
    problems = []
    if request.trained_with not in TRAINED:
        problems.append(Problem("--trained-with", ", ".join(TRAINED), repr(request.trained_with)))
    if request.towers not in (1, 2):
        problems.append(Problem("--towers", "1 or 2", str(request.towers)))
    base, new = request.base, request.new
    pairs = (
        ("queries", base.queries, new.queries),
        ("ids", base.item_ids, new.item_ids),
        ("query-ids", base.query_ids, new.query_ids),
    )
    for name, one, two in pairs:
        if (one is None) != (two is None):
            given, other = ("base", "new") if two is None else ("new", "base")
            problems.append(Problem(f"--{other}-{name}", f"a file, as --{given}-{name} has", "not given"))
    if base.query_ids is not None and new.query_ids is not None and base.queries is None and new.queries is None:
        fix = "name --base-queries and --new-queries"
        problems.append(Problem("--base-query-ids", "queries that have these ids", "no queries", fix))
    if problems:
        raise ConfigError(problems)


@dataclass(frozen=True)
class _Read:
    """Vectors of a file, the rows they are, and how many are zero."""

    vectors: NDArray[Any]
    rows: Rows
    n_zero: int


def _read(path: Path, ids_path: Path | None, role: Role) -> _Read:
    vectors = read_vectors(*split_key(path), role=role)
    extent = check_finite(vectors, str(path))
    ids = None if ids_path is None else read_ids(*split_key(ids_path))
    rows = Rows(str(path), len(vectors), "" if ids_path is None else str(ids_path), ids)
    return _Read(vectors, rows, extent.n_zero_rows)


def _join_items(base: Rows, new: Rows) -> Joined:
    joined = join_rows(base, new)
    if joined.n_joined < 2:
        raise DataError(
            Problem(
                f"{base.ids_from or base.where} and {new.ids_from or new.where}",
                "at least 2 items with the same id",
                f"{joined.n_joined} of {joined.n_base:,} and {joined.n_new:,}: "
                f"{_some(joined.lost)} against {_some(joined.added)}",
                "name the ids of the same items, written the same way",
            )
        )
    return joined


def _some(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:3]) or "none"


def _taken(vectors: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return some rows; all of them in order stay mapped where they are."""
    same = len(rows) == len(vectors) and bool((rows == np.arange(len(rows))).all())
    return vectors if same else np.asarray(vectors[rows])


def _notices(sides: tuple[_Read, _Read], items: Joined, queries: Joined | None) -> Iterator[Notice]:
    for side in sides:
        if side.n_zero:
            text = f"{side.n_zero:,} items in {side.rows.where} are zero vectors: they ask for no neighbours here"
            yield Notice("zero-items", text)
    if 2 * items.n_joined < max(items.n_base, items.n_new):
        text = f"only {items.n_joined:,} of {items.n_base:,} and {items.n_new:,} items are in both trainings"
        yield Notice("few-joined-items", text, "the figures say nothing about the others")
    if queries is not None and queries.n_joined == 0:
        text = "no query has the same id in both trainings: scores can't be compared"
        yield Notice("no-shared-queries", text, "name queries that both trainings know, and their ids")
