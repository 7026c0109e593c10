"""Rows of two files that stand for the same thing, found by their ids or by their number."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.check import SHOWN
from idxbench.data.ids import Ids, listed_rows
from idxbench.errors import DataError, Problem


@dataclass(frozen=True)
class Joined:
    """Which rows of two files stand for the same thing.

    Parameters
    ----------
    base, new
        (m,) int64 rows: ``base[i]`` of one file is ``new[i]`` of the other, in the order of the first.
    n_base, n_new
        How many rows the files have.
    lost, added
        Up to five ids that only the first file has, and that only the second has.
    by_id
        Whether ids said so; otherwise the number of the row did.
    """

    base: NDArray[np.int64]
    new: NDArray[np.int64]
    n_base: int
    n_new: int
    lost: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    by_id: bool = True

    @property
    def n_joined(self) -> int:
        """Count the rows that both files have."""
        return len(self.base)

    @property
    def n_lost(self) -> int:
        """Count the rows that the second file lacks."""
        return self.n_base - self.n_joined

    @property
    def n_added(self) -> int:
        """Count the rows that the first file lacks."""
        return self.n_new - self.n_joined


@dataclass(frozen=True)
class Rows:
    """The rows of one file, for joining.

    Parameters
    ----------
    where
        The file of vectors, for messages.
    n_rows
        How many vectors it has.
    ids_from
        The file of ids, for messages; empty where there is none.
    ids
        (n,) integers or strings, or None: then the number of a row is its id.
    """

    where: str
    n_rows: int
    ids_from: str = ""
    ids: Ids | None = None


def join_rows(base: Rows, new: Rows) -> Joined:
    """Find the rows that both files have.

    Parameters
    ----------
    base, new
        With ids both, or neither: then rows are joined by their number, and must be as many.

    Raises
    ------
    DataError
        Ids don't fit the vectors, repeat (ids and rows are named), or are given for one side only; or there are
        no ids and the files differ in length.
    """
    if base.ids is None or new.ids is None:
        return _joined_by_number(base, new)
    for side in (base, new):
        _refuse_misfits(side)
    one, two = _comparable(base.ids, new.ids)
    _, rows, others = np.intersect1d(one, two, assume_unique=True, return_indices=True)
    order = np.argsort(rows, kind="stable")
    return Joined(
        rows[order].astype(np.int64),
        others[order].astype(np.int64),
        base.n_rows,
        new.n_rows,
        _first_others(one, rows),
        _first_others(two, others),
    )


def _joined_by_number(base: Rows, new: Rows) -> Joined:
    if base.ids is not None or new.ids is not None:
        known, other = (base, new) if base.ids is not None else (new, base)
        raise DataError(
            Problem(other.where, "ids, as the other side has", f"none; {known.where} has those of {known.ids_from}")
        )
    if base.n_rows != new.n_rows:
        raise DataError(
            Problem(
                new.where,
                f"{base.n_rows:,} rows, as in {base.where}: without ids, rows are joined by their number",
                f"{new.n_rows:,} rows",
                "name a file of ids for both sides",
            )
        )
    rows = np.arange(base.n_rows, dtype=np.int64)
    return Joined(rows, rows, base.n_rows, new.n_rows, by_id=False)


def _refuse_misfits(side: Rows) -> None:
    ids = side.ids
    assert ids is not None
    if len(ids) != side.n_rows:
        raise DataError(
            Problem(side.ids_from, f"{side.n_rows:,} ids, one per row of {side.where}", f"{len(ids):,} ids")
        )
    _, first, counts = np.unique(ids, return_index=True, return_counts=True)
    repeated = np.sort(first[counts > 1])
    if len(repeated):
        told = [f"{ids[at]} in rows {listed_rows(np.flatnonzero(ids == ids[at]))}" for at in repeated[:SHOWN]]
        more = f", and {len(repeated) - SHOWN:,} more ids" if len(repeated) > SHOWN else ""
        raise DataError(
            Problem(side.ids_from, "a different id in every row", "; ".join(told) + more, "keep one row per id")
        )


def _comparable(one: Ids, two: Ids) -> tuple[Ids, Ids]:
    """Return both as integers where both are, else both as text."""
    if one.dtype.kind == "i" and two.dtype.kind == "i":
        return one, two
    return one.astype(np.str_), two.astype(np.str_)


def _first_others(ids: Ids, rows: NDArray[Any]) -> tuple[str, ...]:
    other = np.ones(len(ids), np.bool_)
    other[rows] = False
    return tuple(str(one) for one in ids[np.flatnonzero(other)[:SHOWN]])
