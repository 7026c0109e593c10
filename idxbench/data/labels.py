"""Labels: one class per row, from an array or a column of a table."""

import csv
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.dataset import UNLABELED, Labels
from idxbench.data.files import file_size
from idxbench.data.npy import listed, missing_key, npz_headers, read_npy, read_npz
from idxbench.errors import DataError, Problem
from idxbench.records import Notice

COLUMN_NAMES = ("label", "labels", "class", "category", "section")
LABEL_SUFFIXES = (".npy", ".npz", ".tsv", ".csv")


def read_labels(path: Path, *, key: str | None = None) -> tuple[Labels, tuple[Notice, ...]]:
    """Read one class per row.

    Parameters
    ----------
    path
        ``.npy`` or ``.npz``: a 1-D array of integers or strings, or a 2-D array
        of 0 and 1 with a column per class. ``.tsv`` or ``.csv``: a table with a
        header; quotes mean something in ``.csv`` only.
    key
        Array or column. None takes ``labels`` in an ``.npz``, a column named
        label, labels, class, category or section in a table, or the only one.

    Returns
    -------
    Labels and a tuple of Notices
        Codes 0 to C - 1 in the order of the sorted names: by number where all
        are whole numbers, otherwise by code point. The empty string and, among
        numbers, -1 are ``UNLABELED``, as are rows of a 2-D array with no class
        or several; notices count both. The names of the columns of a 2-D array
        ``genres`` are taken from an array ``genre_names`` or ``genres_names`` beside it.

    Raises
    ------
    DataError
        The file is missing or broken, several arrays or columns could be meant
        (they are listed, with a guess), no row has a label, or the values are
        neither integers nor strings.
    """
    suffix = path.suffix.lower()
    if suffix not in LABEL_SUFFIXES:
        raise DataError(Problem(str(path), f"labels: {' '.join(LABEL_SUFFIXES)}", f"the suffix {path.suffix!r}"))
    if suffix in (".tsv", ".csv"):
        column, where = _read_column(path, key, suffix)
        return _from_strings(column, where)
    if suffix == ".npy":
        if key is not None:
            raise DataError(Problem(str(path), "no key: an .npy file holds one nameless array", f"key {key!r}"))
        return _from_array(read_npy(path), None, str(path))
    described = npz_headers(path)
    key = _choose_array(path, key, described)
    names = next((name for name in (f"{key}_names", f"{key.removesuffix('s')}_names") if name in described), None)
    columns = None if names is None else read_npz(path, names)
    return _from_array(read_npz(path, key), columns, f"{path}[{key}]")


def _choose_array(path: Path, key: str | None, described: dict[str, tuple[tuple[int, ...], str]]) -> str:
    if key is not None:
        if key not in described:
            raise missing_key(str(path), key, described)
        return key
    if "labels" in described or len(described) == 1:
        return "labels" if "labels" in described else next(iter(described))
    guess = _guess(list(described))
    fix = f"name one as key, for example {guess!r}" if guess else "name one as key"
    raise DataError(Problem(str(path), "an array named 'labels'", listed(described), fix))


def _guess(names: Sequence[str]) -> str | None:
    """Return the name that sounds most like labels."""
    for word in COLUMN_NAMES:
        for name in names:
            if word in name.casefold():
                return name
    return None


def _from_array(array: NDArray[Any], columns: NDArray[Any] | None, where: str) -> tuple[Labels, tuple[Notice, ...]]:
    if array.ndim == 2:
        return _from_multi_hot(array, columns, where)
    if array.ndim == 1 and array.dtype.kind in "biu":
        values = array.astype(np.int64)
        if array.dtype.kind == "u" and len(array) and int(array.max()) > np.iinfo(np.int64).max:
            raise DataError(Problem(where, "labels of at most 63 bits", f"{int(array.max())}"))
        names, codes = np.unique(values, return_inverse=True)
        if len(names) and UNLABELED in names:
            at = int(np.searchsorted(names, UNLABELED))
            codes = np.where(codes == at, UNLABELED, codes - (codes > at))
            names = np.delete(names, at)
        return _finish(codes.astype(np.int64), tuple(str(name) for name in names), where)
    if array.ndim == 1 and array.dtype.kind in "US":
        return _from_strings(_decoded(array, where), where)
    raise DataError(
        Problem(
            where,
            "a 1-D array of integers or strings, or a 2-D array of 0 and 1",
            f"shape {array.shape} of {array.dtype}",
            "save the classes as integers",
        )
    )


def _decoded(array: NDArray[Any], where: str) -> list[str]:
    if array.dtype.kind == "U":
        return [str(value) for value in array]
    try:
        return [bytes(value).decode("utf-8") for value in array]
    except UnicodeDecodeError as error:
        raise DataError(Problem(where, "names in UTF-8", str(error), "save the names as strings")) from None


def _from_multi_hot(array: NDArray[Any], columns: NDArray[Any] | None, where: str) -> tuple[Labels, tuple[Notice, ...]]:
    """Keep the rows with exactly one class; the others become unlabelled, and a notice counts them."""
    n, n_classes = array.shape
    if n_classes < 2 or array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise DataError(
            Problem(
                where,
                "0 or 1 in each of at least 2 columns, one per class",
                f"shape {array.shape} of {array.dtype}" + (", with other values" if n_classes > 1 else ""),
                "for one class per row, save a 1-D array",
            )
        )
    names = [str(i) for i in range(n_classes)]
    if columns is not None and columns.shape == (n_classes,) and columns.dtype.kind in "US":
        names = _decoded(columns, where)
    counts = (array != 0).sum(axis=1)
    classes = np.argmax(array != 0, axis=1)
    values = [names[c] if count == 1 else "" for c, count in zip(classes, counts, strict=True)]
    labels, _ = _from_strings(values, where)
    several, none = int((counts > 1).sum()), int((counts == 0).sum())
    if several + none == 0:
        return labels, ()
    notice = Notice(
        "multi-label-rows",
        f"{where}: {several} of {n} rows have several classes and {none} none; they count as unlabelled, "
        f"and the {n - several - none} with exactly one keep it",
        "choose one class per row if these rows matter",
    )
    return labels, (notice,)


def _from_strings(values: Sequence[str], where: str) -> tuple[Labels, tuple[Notice, ...]]:
    distinct = set(values) - {""}
    numeric = all(re.fullmatch(r"0|-?[1-9][0-9]*", value) for value in distinct)
    if numeric:
        distinct.discard(str(UNLABELED))
    names = tuple(sorted(distinct, key=int) if numeric else sorted(distinct))
    code = {name: i for i, name in enumerate(names)}
    codes = np.fromiter((code.get(value, UNLABELED) for value in values), np.int64, len(values))
    return _finish(codes, names, where)


def _finish(codes: NDArray[np.int64], names: tuple[str, ...], where: str) -> tuple[Labels, tuple[Notice, ...]]:
    if not names:
        raise DataError(Problem(where, "at least one row with a label", f"{len(codes)} rows, none with one"))
    labels, missing = Labels(codes, names), int((codes == UNLABELED).sum())
    if missing == 0:
        return labels, ()
    text = f"{where}: {missing} of {len(codes)} rows have no label"
    return labels, (Notice("unlabelled-rows", text, "figures that need labels leave these rows out"),)


def _read_column(path: Path, key: str | None, suffix: str) -> tuple[list[str], str]:
    """Return one column of a table as text, and where it is."""
    file_size(path)
    # In .tsv a quote is a character like any other: real tables of words hold a row whose word is ".
    dialect: dict[str, Any] = (
        {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if suffix == ".tsv" else {"delimiter": ",", "strict": True}
    )
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, **dialect)
            header = next(reader, [])
            at = _choose_column(path, header, key)
            values: list[str] = []
            blank = 0
            for row in reader:
                line = reader.line_num
                if not row and len(header) > 1:
                    blank += 1  # fine at the end of a file, a missing row anywhere else
                    continue
                if blank or len(row) > len(header) or (row and len(row) < len(header)):
                    found = f"{blank} empty lines before it" if blank else f"{len(row)} fields"
                    raise DataError(Problem(f"{path}: line {line}", f"{len(header)} fields, as in the header", found))
                values.append(row[at] if row else "")
    except UnicodeDecodeError as error:
        raise DataError(Problem(str(path), "text in UTF-8", str(error), "save it as UTF-8")) from None
    except csv.Error as error:
        raise DataError(Problem(f"{path}: line {line} or after it", f"a {suffix} table", str(error))) from None
    return values, f"{path}[{header[at]}]"


def _choose_column(path: Path, header: list[str], key: str | None) -> int:
    columns = ", ".join(header)
    if key is not None:
        if header.count(key) == 1:
            return header.index(key)
        close = difflib.get_close_matches(key, header, n=1)
        fix = f"did you mean {close[0]!r}?" if close else "name one of these columns"
        raise DataError(Problem(str(path), f"one column named {key!r}", f"the columns {columns}", fix))
    if len(header) == 1:
        return 0
    known = [i for i, name in enumerate(header) if name.casefold() in COLUMN_NAMES]
    if len(known) == 1:
        return known[0]
    guess = _guess(header)
    fix = f"name the column as key, for example {guess!r}" if guess else "name the column as key"
    expected = f"one column, or one named {', '.join(COLUMN_NAMES[:-1])} or {COLUMN_NAMES[-1]}"
    raise DataError(Problem(str(path), expected, f"the columns {columns}", fix))
