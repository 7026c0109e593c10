"""What people know about items, from files: pairs of items, answers of queries, and the names they are given by."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.files import file_size
from idxbench.data.npy import npz_headers, read_npy, read_npz
from idxbench.data.sources.ratings import COLUMN_NAMES
from idxbench.errors import DataError, Problem

TABLES = (".tsv", ".csv", ".txt")
_QUERY_NAMES = ("query", "query_id", *COLUMN_NAMES["user"])
_SHOWN = 3
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Names:
    """What rows are called.

    Parameters
    ----------
    rows
        The row of each name; None where rows are called by their number.
    n_rows
        How many rows there are.
    """

    rows: Mapping[str, int] | None
    n_rows: int

    def find(self, name: str) -> int | None:
        """Return the row of a name as it is written, else in lower case; None where there is none.

        Raises
        ------
        ValueError
            Rows are called by their number, and this is none of theirs.
        """
        if self.rows is None:
            row = int(name) if name.isascii() and name.isdigit() else -1
            if not 0 <= row < self.n_rows:
                raise ValueError(f"a row number from 0 to {self.n_rows - 1}")
            return row
        return self.rows.get(name, self.rows.get(name.lower()))


@dataclass(frozen=True)
class Pairs:
    """Two things per row, and perhaps a grade.

    Parameters
    ----------
    left, right
        (n,) int64 rows: of two items, or of a query and an item.
    grades
        (n,) float64, higher is more alike; None where pairs are merely known to belong together.
    unknown
        Names that no row has, once each, in the order of the file.
    n_unknown
        Lines that were left out because of them.
    """

    left: Ids
    right: Ids
    grades: NDArray[np.float64] | None
    unknown: tuple[str, ...]
    n_unknown: int

    def take(self, kept: NDArray[Any]) -> "Pairs":
        """Return some of the pairs."""
        grades = None if self.grades is None else self.grades[kept]
        return Pairs(self.left[kept], self.right[kept], grades, self.unknown, self.n_unknown)

    @property
    def lost(self) -> str:
        """Say what was left out, with the first names; empty where nothing was."""
        if not self.n_unknown:
            return ""
        shown = ", ".join(repr(name) for name in self.unknown[:_SHOWN])
        more = ", ..." if len(self.unknown) > _SHOWN else ""
        return f"{self.n_unknown} name what is not there ({shown}{more}) and were left out"


def read_pairs(path: Path, items: Names) -> Pairs:
    """Read pairs of items: ``.tsv``, ``.txt`` (tabs) or ``.csv``, two names a line and perhaps a grade.

    Lines that start with ``#`` and empty ones are skipped. The first line is a header where its third field is no
    number or, by row numbers, where its first two aren't.

    Raises
    ------
    DataError
        The file is missing, no such table, has lines of other lengths, grades that aren't finite numbers, row
        numbers beyond the items, or no pair at all.
    """
    rows = list(_table(path))
    if rows and _is_header(rows[0][1], items):
        rows = rows[1:]
    width = len(rows[0][1]) if rows else 2
    if width not in (2, 3):
        raise DataError(Problem(f"{path}: line {rows[0][0]}", "two names, and perhaps a grade", f"{width} fields"))
    grades: list[float] = []
    for line, fields in rows:
        if len(fields) != width:
            raise DataError(Problem(f"{path}: line {line}", f"{width} fields, as before", f"{len(fields)}"))
        if width == 3:
            grades.append(_number(path, line, fields[2]))
    named = [(line, fields[0], fields[1]) for line, fields in rows]
    return _resolved(path, named, (items, items), grades if width == 3 else None)


def read_links(path: Path, queries: Names, items: Names) -> Pairs:
    """Read which items queries (or users) want: ``.npz``, ``.csv``, ``.tsv`` or ``.txt``.

    An ``.npz`` has arrays ``query`` (or ``user``) and ``item``, a table columns by these names or, without a header,
    a query and an item a line; ``userId`` and ``movieId`` are understood, other columns ignored. A query and an item
    that occur twice count once.

    Raises
    ------
    DataError
        As of `read_pairs`.
    """
    if path.suffix.lower() == ".npz":
        named = _npz_links(path)
    else:
        rows = list(_table(path))
        header = [field.strip() for field in rows[0][1]] if rows else []
        at = [next((header.index(name) for name in names if name in header), -1) for names in _LINK_COLUMNS]
        if -1 in at:
            at = [0, 1]
        else:
            rows = rows[1:]
        for line, fields in rows:
            if len(fields) <= max(at):
                raise DataError(Problem(f"{path}: line {line}", "a query and an item", f"{len(fields)} fields"))
        named = [(line, fields[at[0]].strip(), fields[at[1]].strip()) for line, fields in rows]
    found = _resolved(path, named, (queries, items), None)
    _, first = np.unique(found.left * items.n_rows + found.right, return_index=True)
    return found.take(np.sort(first))


_LINK_COLUMNS = (_QUERY_NAMES, COLUMN_NAMES["item"])


def read_names(path: Path, n_rows: int, *, key: str | None = None, what: str = "items") -> Names:
    """Read what rows are called: a column of a ``.tsv`` or ``.csv`` with a header, ``.txt`` lines, or an ``.npy``.

    ``key`` names the column; None takes the first.

    Raises
    ------
    DataError
        The file is missing or no such table, or does not name every row.
    """
    if path.suffix.lower() == ".npy":
        array = read_npy(path)
        if array.ndim != 1 or array.dtype.kind not in "Uiu":
            raise DataError(Problem(str(path), "a 1-D array of texts or integers", f"shape {array.shape}"))
        names = [str(value) for value in array]
    elif path.suffix.lower() == ".txt":
        names = [fields[0] for _, fields in _table(path, comments=False, delimiter="\n")]
    else:
        header, *rows = [fields for _, fields in _table(path, comments=False)] or [[]]
        if key is not None and key not in header:
            raise DataError(Problem(str(path), f"a column named {key!r}", "the columns " + ", ".join(header)))
        at = 0 if key is None else header.index(key)
        names = [fields[at] if at < len(fields) else "" for fields in rows]
    if len(names) != n_rows:
        raise DataError(
            Problem(str(path), f"{n_rows} names, one per row of {what}", f"{len(names)}", "name the rows of the file")
        )
    found = named_rows(names)
    if found.rows is not None and len(found.rows) < len(names):
        first = next(name for row, name in enumerate(names) if found.rows[name] != row)
        where = ", ".join(str(row) for row, name in enumerate(names) if name == first)[:60]
        told = f"{first!r} in rows {where}"
        raise DataError(Problem(str(path), "a different name in every row", told, "name another column"))
    return found


def named_rows(names: Sequence[str]) -> Names:
    """Return rows by their names."""
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, row)
    return Names(rows, len(names))


def _table(path: Path, *, comments: bool = True, delimiter: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a table with their numbers."""
    suffix = path.suffix.lower()
    if suffix not in TABLES:
        raise DataError(Problem(str(path), "a table: " + " ".join(TABLES), f"the suffix {path.suffix!r}"))
    file_size(path)
    dialect: dict[str, Any] = {"delimiter": ",", "strict": True}
    if suffix != ".csv":
        # A quote is a character like any other: real tables of words hold a row whose word is ".
        dialect = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            if delimiter is not None:
                yield from ((number, [text.rstrip("\r\n")]) for number, text in enumerate(file, start=1))
                return
            reader = csv.reader(file, **dialect)
            for fields in reader:
                line = reader.line_num
                if fields and not (comments and fields[0].startswith("#")):
                    yield line, fields
    except UnicodeDecodeError as error:
        raise DataError(Problem(str(path), "text in UTF-8", str(error), "save it as UTF-8")) from None
    except csv.Error as error:
        raise DataError(Problem(f"{path}: line {line} or after it", f"a {suffix} table", str(error))) from None


def _is_header(fields: list[str], items: Names) -> bool:
    if len(fields) == 3:
        return not _is_number(fields[2])
    return items.rows is None and len(fields) == 2 and not any(field.strip().isdigit() for field in fields)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(path: Path, line: int, text: str) -> float:
    value = float(text) if _is_number(text) else math.nan
    if not math.isfinite(value):
        raise DataError(Problem(f"{path}: line {line}", "a finite number as grade", repr(text)))
    return value


def _npz_links(path: Path) -> list[tuple[int, str, str]]:
    described = npz_headers(path)
    columns = []
    for names in _LINK_COLUMNS:
        key = next((name for name in names if name in described), None)
        if key is None:
            raise DataError(Problem(str(path), "an array " + " or ".join(names), "the arrays " + ", ".join(described)))
        array = read_npz(path, key)
        if array.ndim != 1 or array.dtype.kind not in "iuU":
            raise DataError(Problem(f"{path}[{key}]", "a 1-D array of ids", f"shape {array.shape} of {array.dtype}"))
        columns.append([str(value) for value in array.tolist()])
    if len(columns[0]) != len(columns[1]):
        found = f"{len(columns[0])} and {len(columns[1])}"
        raise DataError(Problem(str(path), "as many queries as items", found))
    return [(row, query, item) for row, (query, item) in enumerate(zip(*columns, strict=True))]


def _resolved(
    path: Path, named: Sequence[tuple[int, str, str]], names: tuple[Names, Names], grades: Sequence[float] | None
) -> Pairs:
    kept: list[int] = []
    rows: list[tuple[int, int]] = []
    unknown: dict[str, None] = {}
    for position, (line, *both) in enumerate(named):
        ids = []
        for name, known in zip(both, names, strict=True):
            try:
                ids.append(known.find(name.strip()))
            except ValueError as error:
                fix = "name the rows with validation.names (or names of the transform), or save row numbers"
                raise DataError(Problem(f"{path}: line {line}", str(error), repr(name), fix)) from None
            if ids[-1] is None:
                unknown[name] = None
        if ids[0] is not None and ids[1] is not None:
            rows.append((ids[0], ids[1]))
            kept.append(position)
    if not rows:
        missed = ", ".join(unknown)[:60]
        found = "none" if not named else f"{len(named)} lines, all with names that no row has: {missed}"
        raise DataError(Problem(str(path), "at least one pair", found))
    table = np.array(rows, np.int64)
    graded = None if grades is None else np.asarray(grades, np.float64)[kept]
    return Pairs(table[:, 0].copy(), table[:, 1].copy(), graded, tuple(unknown), len(named) - len(rows))


def pair_keys(pairs: Pairs, n_rows: int) -> Ids:
    """Return one number per pair, the same whichever of its two items comes first."""
    low, high = np.minimum(pairs.left, pairs.right), np.maximum(pairs.left, pairs.right)
    return np.asarray(low * n_rows + high)


def pair_folds(pairs: Pairs, n_rows: int, n_folds: int, seed: int) -> Ids:
    """Cut pairs into folds of almost one size, at random; a pair that occurs twice stays in one fold.

    Returns
    -------
    (n,) the fold of each pair, 0 to ``n_folds`` - 1.
    """
    distinct, place = np.unique(pair_keys(pairs, n_rows), return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(np.arange(len(distinct)) % n_folds)[place])


def write_pairs(path: Path, pairs: Pairs) -> None:
    """Write pairs by row number, as `read_pairs` reads them."""
    columns = [pairs.left.tolist(), pairs.right.tolist(), *([] if pairs.grades is None else [pairs.grades.tolist()])]
    lines = ["\t".join(map(repr, fields)) for fields in zip(*columns, strict=True)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
