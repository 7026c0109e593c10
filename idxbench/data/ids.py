"""Ids of rows: one per row, from lines of text, a column of a table or an array."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.check import SHOWN
from idxbench.data.dataset import UNLABELED
from idxbench.data.files import file_size
from idxbench.data.labels import read_labels
from idxbench.data.npy import missing_key, npz_headers, read_npy, read_npz
from idxbench.data.parquet import require_pyarrow
from idxbench.errors import DataError, Problem

ID_SUFFIXES = (".txt", ".tsv", ".csv", ".npy", ".npz", ".parquet")
# Names of columns and arrays that are taken for ids where none is named.
ID_NAMES = ("id", "ids", "item_id", "item_ids", "user_id", "user_ids", "query_id", "query_ids")

Ids = NDArray[Any]


def split_key(path: Path) -> tuple[Path, str | None]:
    """Take ``both.npz::items`` apart into the file and its array; a name that exists is taken as it is."""
    name, mark, key = str(path).rpartition("::")
    if not mark or not name or not key or path.exists():
        return path, None
    return Path(name), key


def read_ids(path: Path, key: str | None = None) -> Ids:
    """Read one id per row.

    Parameters
    ----------
    path
        ``.txt``: one id per line. ``.tsv`` or ``.csv``: a column of a table with a header. ``.npy`` or ``.npz``: a
        1-D array of integers or strings. ``.parquet``: a column of integers or strings.
    key
        Array or column. None takes the only one, or the one that has one of ``ID_NAMES``.

    Returns
    -------
    (n,) int64 or str. The integer 7 and the text 7 are the same id for `idxbench.data.joined.join_rows`; 007 is
    another.

    Raises
    ------
    DataError
        The file is missing or broken, several columns could be meant, a row has no id (it is named), or ids are
        neither integers nor strings.
    """
    suffix = path.suffix.lower()
    if suffix not in ID_SUFFIXES:
        raise DataError(Problem(str(path), f"ids: {' '.join(ID_SUFFIXES)}", f"the suffix {path.suffix!r}"))
    if key is not None and suffix in (".txt", ".npy"):
        raise DataError(Problem(str(path), "no key: such a file holds one nameless column", f"key {key!r}"))
    if suffix == ".txt":
        return _from_lines(path)
    if suffix in (".tsv", ".csv"):
        return _from_table(path, key, suffix)
    if suffix == ".parquet":
        return _from_parquet(path, key)
    if suffix == ".npy":
        return _from_array(read_npy(path), str(path))
    described = npz_headers(path)
    flat = [name for name, (shape, _) in described.items() if len(shape) == 1]
    chosen = _choose(str(path), flat, key, "arrays")
    if chosen not in described:
        raise missing_key(str(path), chosen, described)
    return _from_array(read_npz(path, chosen), f"{path}[{chosen}]")


def listed_rows(rows: NDArray[Any]) -> str:
    """Write the first five rows as ``3, 17 and others``."""
    return ", ".join(map(str, rows[:SHOWN])) + (" and others" if len(rows) > SHOWN else "")


def _from_array(array: NDArray[Any], where: str) -> Ids:
    kind = array.dtype.kind
    if array.ndim != 1 or kind not in "iuUS" or not len(array):
        found = f"shape {array.shape} of {array.dtype}"
        raise DataError(Problem(where, "a 1-D array of integers or strings", found, "save one id per row"))
    if kind in "iu":
        # Beyond 63 bits only text holds them all.
        large = kind == "u" and int(array.max()) > np.iinfo(np.int64).max
        return array.astype(np.str_ if large else np.int64)
    try:
        return _complete(np.char.decode(array, "utf-8") if kind == "S" else np.asarray(array), where)
    except UnicodeDecodeError as error:
        raise DataError(Problem(where, "ids in UTF-8", str(error), "save the ids as strings")) from None


def _complete(ids: Ids, where: str) -> Ids:
    empty = np.flatnonzero(ids == "")
    if len(empty):
        raise DataError(Problem(where, "an id in every row", f"none in row {listed_rows(empty)}"))
    return ids


def _from_lines(path: Path) -> Ids:
    file_size(path)
    try:
        # Not splitlines, to which a form feed inside an id is the end of a line, too.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(Problem(str(path), "text in UTF-8", str(error), "save it as UTF-8")) from None
    if lines[-1] == "":
        lines.pop()
    return _complete(np.array([line.removesuffix("\r") for line in lines], np.str_), str(path))


def _from_table(path: Path, key: str | None, suffix: str) -> Ids:
    """Read a column by the reader of labels, which knows what quotes and broken rows of a table are."""
    file_size(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file, delimiter="\t" if suffix == ".tsv" else ","), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(Problem(str(path), f"a {suffix} table in UTF-8", str(error), "save it again")) from None
    chosen = _choose(str(path), header, key, "columns")
    labels, _ = read_labels(path, key=chosen)
    missing = np.flatnonzero(labels.codes == UNLABELED)
    if len(missing):
        # Labels read a whole number of -1 as none.
        found = f"none, or -1, in row {listed_rows(missing)}"
        raise DataError(Problem(f"{path}[{chosen}]", "an id in every row", found))
    return np.array(labels.names, np.str_)[labels.codes]


def _from_parquet(path: Path, key: str | None) -> Ids:
    pa = require_pyarrow(path)
    size = file_size(path)
    try:
        with pa.parquet.ParquetFile(path) as file:
            chosen = _choose(str(path), list(file.schema_arrow.names), key, "columns")
            if chosen not in file.schema_arrow.names:
                columns = ", ".join(file.schema_arrow.names)
                raise DataError(Problem(str(path), f"a column named {chosen!r}", f"the columns {columns}"))
            column = file.read(columns=[chosen]).column(0)
    except (pa.ArrowException, OSError) as error:
        found = f"{size} bytes that do not read as one ({error})"
        raise DataError(Problem(str(path), "a Parquet file", found, "copy or download it again")) from None
    where = f"{path}[{chosen}]"
    if column.null_count:
        raise DataError(Problem(where, "an id in every row", f"{column.null_count} missing values"))
    return _from_array(np.array(column.to_pylist()), where)


def _choose(where: str, names: Sequence[str], key: str | None, what: str) -> str:
    if key is not None:
        return key
    if len(names) == 1:
        return names[0]
    known = [name for name in names if name.casefold() in ID_NAMES]
    if len(known) == 1:
        return known[0]
    found = f"the {what} {', '.join(names)}" if names else f"no {what}"
    fix = f"name it after the file, as in {where}::{names[0]}" if names else ""
    raise DataError(Problem(where, f"a single one of the {what}, or one named {', '.join(ID_NAMES)}", found, fix))
