"""Tables of ratings, read from .npz or .csv."""

import csv
import zipfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.errors import DataError, Problem

# The first name of each list is ours, the others are what MovieLens and its relatives write.
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "user": ("user", "userId", "user_id"),
    "item": ("item", "itemId", "item_id", "movieId", "movie_id"),
    "rating": ("rating",),
}
_SHOWN = 5


@dataclass(frozen=True)
class Ratings:
    """One rating per user and item.

    Parameters
    ----------
    users, items
        (n,) int64 rows of ``user_ids`` and ``item_ids``.
    values
        (n,) float64 ratings, finite.
    user_ids, item_ids
        Distinct ids in ascending order: int64, or text (in the order of its code points).
    n_repeated
        How many ratings repeated an earlier user and item, and were averaged into one.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    values: NDArray[np.float64]
    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    n_repeated: int


def read_ratings(path: Path) -> Ratings:
    """Read a table of ratings.

    Parameters
    ----------
    path
        ``.npz`` with one-dimensional arrays of the same length, or ``.csv`` (UTF-8) with a header, that have the
        columns user (or userId, user_id), item (or itemId, item_id, movieId, movie_id) and rating. Other
        columns are ignored; where several names of one column are there, the first of these lists counts. Ids are
        integers or text; text in a CSV counts as integers when every id of the column is one in plain
        decimal, so that 007 and 7 stay apart.

    Returns
    -------
    Ratings
        Pairs in ascending order. A user and item that occur twice get the mean of their ratings.

    Raises
    ------
    DataError
        The file is missing, of another kind or broken; a column is missing; the lengths differ;
        there is no rating; a rating is not a finite number (with its rows).

    Notes
    -----
    CSV takes about 2 s per million rows; three numbers a row are held while reading.
    """
    if path.suffix not in (".npz", ".csv"):
        raise DataError(Problem(str(path), "a ratings table ending in .npz or .csv", path.suffix or "no ending"))
    try:
        columns = _read_npz(path) if path.suffix == ".npz" else _read_csv(path)
    except OSError as error:
        raise DataError(Problem(str(path), "a readable ratings table", error.strerror or str(error))) from None
    users, user_ids, items, item_ids, values = columns
    if len(values) == 0:
        raise DataError(Problem(str(path), "at least one rating", "none"))
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise DataError(_not_finite(path, values, bad))
    # Pairs as single numbers, so that one sort finds the repeated ones; users x items fits 64 bits.
    pairs, place = np.unique(users * len(item_ids) + items, return_inverse=True)
    repeats = np.bincount(place)
    means = np.bincount(place, weights=values) / repeats
    return Ratings(pairs // len(item_ids), pairs % len(item_ids), means, user_ids, item_ids, len(values) - len(pairs))


_Columns = tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64], NDArray[Any], NDArray[np.float64]]


def _read_npz(path: Path) -> _Columns:
    try:
        # Opened here and not by np.load, which leaves the file open when the archive is torn.
        with path.open("rb") as file, _archive(np.load(file, allow_pickle=False)) as archive:
            names = _find_columns(path, list(archive.files))
            user, item, rating = (np.asarray(archive[names[name]]) for name in COLUMN_NAMES)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            Problem(str(path), "an .npz archive of plain arrays, without Python objects", str(error))
        ) from None
    if not user.shape == item.shape == rating.shape or user.ndim != 1:
        found = f"user {user.shape}, item {item.shape}, rating {rating.shape}"
        raise DataError(Problem(str(path), "one-dimensional arrays of one length", found))
    if rating.dtype.kind not in "iufb":
        raise DataError(Problem(f"{path}: rating", "numbers", f"type {rating.dtype}"))
    for name, ids in (("user", user), ("item", item)):
        if ids.dtype.kind not in "iuU":
            fix = "store ids as integers or text"
            raise DataError(Problem(f"{path}: {name}", "integers or text", f"type {ids.dtype}", fix))
        if ids.dtype.kind == "u" and ids.size and int(ids.max()) > np.iinfo(np.int64).max:
            raise DataError(Problem(f"{path}: {name}", "ids below 2^63", f"{ids.max()}", "store them as text"))
    user_ids, users = _distinct(user)
    item_ids, items = _distinct(item)
    return users, user_ids, items, item_ids, rating.astype(np.float64)


def _archive(loaded: Any) -> Any:
    if isinstance(loaded, np.ndarray):
        raise ValueError("a single array")
    return loaded


def _distinct(ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    found, codes = np.unique(ids, return_inverse=True)
    return (found.astype(np.int64) if found.dtype.kind in "iu" else found), codes.astype(np.int64)


def _read_csv(path: Path) -> _Columns:
    # Ids go to running numbers as they are read: the text of each is held once, not once per rating.
    numbers: dict[str, dict[str, int]] = {"user": {}, "item": {}}
    codes = {"user": array("q"), "item": array("q")}
    values = array("d")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line, user, item, rating in _csv_rows(path, csv.reader(file)):
                for name, text in (("user", user), ("item", item)):
                    codes[name].append(numbers[name].setdefault(text, len(numbers[name])))
                try:
                    values.append(float(rating))
                except ValueError:
                    raise DataError(Problem(f"{path}: line {line}: rating", "a number", repr(rating))) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(Problem(str(path), "a CSV table in UTF-8", str(error))) from None
    user_ids, users = _number(numbers["user"], codes["user"])
    item_ids, items = _number(numbers["item"], codes["item"])
    return users, user_ids, items, item_ids, np.array(values, dtype=np.float64)


def _csv_rows(path: Path, reader: Any) -> Iterator[tuple[int, str, str, str]]:
    header = [name.strip() for name in next(reader, [])]
    names = _find_columns(path, header)
    user, item, rating = (header.index(names[name]) for name in COLUMN_NAMES)
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(Problem(f"{path}: line {reader.line_num}", f"{len(header)} fields", f"{len(row)} fields"))
        yield reader.line_num, row[user].strip(), row[item].strip(), row[rating]


def _number(first_seen: dict[str, int], codes: "array[int]") -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Turn ids numbered as they came into ids in ascending order."""
    texts = list(first_seen)
    ids: NDArray[Any] = np.array(texts, dtype=np.str_)
    if all(_is_plain_integer(text) for text in texts):
        ids = np.array([int(text) for text in texts], dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return ids[order], rank[np.array(codes, dtype=np.int64)]


def _is_plain_integer(text: str) -> bool:
    digits = text.removeprefix("-")
    # Eighteen digits always fit int64. A longer number is left as text rather than lost.
    return digits.isascii() and digits.isdigit() and len(digits) <= 18 and str(int(text)) == text


def _find_columns(path: Path, present: list[str]) -> dict[str, str]:
    found = {name: next((alias for alias in aliases if alias in present), "") for name, aliases in COLUMN_NAMES.items()}
    missing = [" or ".join(COLUMN_NAMES[name]) for name, alias in found.items() if not alias]
    if missing:
        raise DataError(Problem(str(path), f"the columns {'; '.join(missing)}", ", ".join(present) or "no columns"))
    return found


def _not_finite(path: Path, values: NDArray[np.float64], bad: NDArray[np.int64]) -> Problem:
    rows = ", ".join(f"{row:,} ({values[row]})" for row in bad[:_SHOWN])
    more = f" and {bad.size - _SHOWN:,} more" if bad.size > _SHOWN else ""
    return Problem(
        f"{path}: rating", "finite ratings", f"ratings at row {rows}{more}, counting from 0", "remove those rows"
    )
