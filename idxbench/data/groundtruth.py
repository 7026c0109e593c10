"""Ground truth that comes with data: the ids of the nearest items of each query, and perhaps their distances."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.data.casts import check_castable
from idxbench.data.files import file_size, replacing
from idxbench.data.hdf5 import read_hdf5_array, require_hdf5_array, write_hdf5_arrays
from idxbench.data.npy import missing_key, npz_headers, read_npy, read_npz, write_npy, write_npz
from idxbench.data.parquet import (
    ARROW_SUFFIXES,
    has_parts,
    read_integer_column,
    read_list_column,
    read_part_ids,
    table_headers,
)
from idxbench.data.texmex import read_texmex, write_texmex
from idxbench.errors import DataError, Problem
from idxbench.records import Notice

Layout = Literal["ids", "ids+distances"]

_HDF5_SUFFIXES = (".hdf5", ".h5")
_FLOAT32 = np.dtype("<f4")
_INT32 = np.dtype("<i4")


@dataclass(frozen=True)
class GroundTruth:
    """Nearest items per query, as stored, not yet believed.

    Parameters
    ----------
    ids
        (q, k) int64, best first, padded with -1.
    distances
        (q, k) float32 or None. What they measure the file does not say: they
        may descend (similarities) as well as ascend, and are never scored on.
    """

    ids: NDArray[np.int64]
    distances: NDArray[np.float32] | None


def read_groundtruth(path: Path, *, n_queries: int | None = None, key: str | None = None) -> GroundTruth:
    """Read ground truth of any format.

    Parameters
    ----------
    path
        ``.ivecs``, ``.npy``, ``.npz`` (``neighbors``, ``distances``), HDF5 (the
        same names), a VectorDBBench folder or the ``neighbors.parquet`` in it (or alone: its ids are rows then).
        Every other suffix (``.ibin``, ``.bin``, ``.gt100``, none) is read as
        uint32 q, uint32 k, then int32 ids and perhaps float32 distances: the exact size tells.
    n_queries
        How many rows there must be; None takes any number.
    key
        The array or column of ids, where a file names them.

    Raises
    ------
    DataError
        The file is missing, broken or cut short, its ids are not a 2-D array of
        integers, one is below -1, or it has another number of rows.
    """
    suffix = path.suffix.lower()
    distances: NDArray[Any] | None = None
    if path.is_dir() or suffix in (".parquet", *ARROW_SUFFIXES):
        ids: NDArray[Any] = _from_folder(path, key)
    elif suffix in _HDF5_SUFFIXES:
        ids = require_hdf5_array(path, key or "neighbors")
        distances = read_hdf5_array(path, "distances") if key is None else None
    elif suffix == ".npz":
        ids, distances = _from_npz(path, key)
    elif key is not None:
        raise DataError(Problem(str(path), "no key: such a file holds one nameless array", f"key {key!r}"))
    elif suffix == ".ivecs":
        ids = read_texmex(path)
    elif suffix == ".npy":
        ids = read_npy(path)
    else:
        ids, distances = _from_binary(path)
    return _believable(path, ids, distances, n_queries)


def _believable(path: Path, ids: NDArray[Any], distances: NDArray[Any] | None, n_queries: int | None) -> GroundTruth:
    where = str(path)
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or ids.size == 0:
        raise DataError(
            Problem(where, "a 2-D array of integer ids, one row per query", f"shape {ids.shape} of {ids.dtype}")
        )
    if n_queries is not None and len(ids) != n_queries:
        raise DataError(
            Problem(
                where,
                f"{n_queries} rows, one per query",
                f"{len(ids)} rows",
                "take queries and ground truth from the same set",
            )
        )
    _refuse_ids(ids, where, np.iinfo(np.int64).max)
    if distances is not None and distances.shape != ids.shape:
        raise DataError(Problem(where, f"distances of shape {ids.shape}, as the ids", f"shape {distances.shape}"))
    return GroundTruth(ids.astype(np.int64), None if distances is None else distances.astype(np.float32))


def _refuse_ids(ids: NDArray[Any], where: str, largest: int) -> None:
    wrong = np.argwhere((ids < -1) | (ids > largest))
    if len(wrong):
        row, column = (int(i) for i in wrong[0])
        raise DataError(
            Problem(
                f"{where}: row {row}",
                f"ids from 0 to {largest}, or -1 for padding",
                f"{int(ids[row, column])}, and {len(wrong)} such ids in all",
                "number the items by their rows, from 0",
            )
        )


def _from_npz(path: Path, key: str | None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    described = npz_headers(path)
    if key is None and "neighbors" not in described:
        if len(described) != 1:
            raise missing_key(str(path), "neighbors", described)
        key = next(iter(described))
    with_distances = key is None and "distances" in described
    return read_npz(path, key or "neighbors"), read_npz(path, "distances") if with_distances else None


def _from_binary(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Read uint32 q, uint32 k, int32 ids, and float32 distances where the size has room for exactly them."""
    size = file_size(path)
    with path.open("rb") as file:
        header = file.read(8)
    if len(header) < 8:
        raise DataError(Problem(str(path), "a header of 8 bytes (uint32 queries, uint32 k)", f"{size} bytes in all"))
    q, k = (int(value) for value in np.frombuffer(header, "<u4"))
    if q * k == 0:
        raise DataError(Problem(str(path), "at least 1 query and k of at least 1", f"a header of {q} x {k}"))
    plain, full = 8 + 4 * q * k, 8 + 8 * q * k
    if size not in (plain, full):
        raise DataError(
            Problem(
                str(path),
                f"{plain} bytes (8 + 4 x {q} x {k}, ids only) or {full} bytes (8 + 8 x {q} x {k}, with distances)",
                f"{size} bytes",
                "it was cut short, or is no ground truth: copy or download it again",
            )
        )
    ids = np.fromfile(path, _INT32, q * k, offset=8).reshape(q, k)
    if size == plain:
        return ids, None
    return ids, np.fromfile(path, _FLOAT32, q * k, offset=plain).reshape(q, k)


def _from_folder(path: Path, key: str | None = None) -> NDArray[np.int64]:
    """Read the ground truth of a VectorDBBench folder (or the ``neighbors.parquet`` in it) as row numbers.

    Its ids name items and queries by their column ``id``, which need not start
    at 0 nor follow the rows; the answer has one row per row of ``test``, in that order.
    A file with neither ``train`` nor ``test`` beside it names rows.
    """
    folder, file = (path, path / "neighbors.parquet") if path.is_dir() else (path.parent, path)
    if key is None and table_headers(file).get("neighbors_id"):
        key = "neighbors_id"
    lists = read_list_column(file, key)
    answered = read_integer_column(file, "id")
    if path != folder and not (has_parts(folder, "train") or has_parts(folder, "test")):
        return _in_order(file, answered, lists.astype(np.int64))
    item_ids, query_ids = read_part_ids(folder, "train"), read_part_ids(folder, "test")
    query_rows = _rows_of(query_ids, answered, f"{file}[id]", "test")
    n_answered = len(np.unique(query_rows))
    if len(query_rows) != len(query_ids) or n_answered != len(query_ids):
        raise DataError(
            Problem(
                str(file),
                f"each of the {len(query_ids)} queries of test once",
                f"{len(query_rows)} rows for {n_answered} of them",
            )
        )
    mapped = _rows_of(item_ids, lists.astype(np.int64), f"{file}[{key or 'neighbors_id'}]", "train")
    ordered = np.empty_like(mapped)
    ordered[query_rows] = mapped
    return ordered


def _in_order(file: Path, query_rows: NDArray[np.int64], lists: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order lists whose ids are the rows of the queries."""
    order = np.argsort(query_rows, kind="stable")
    if not np.array_equal(query_rows[order], np.arange(len(order))):
        raise DataError(
            Problem(
                f"{file}[id]",
                f"each row from 0 to {len(order) - 1} once, as there is no test.parquet beside it to name other ids",
                f"ids from {int(query_rows.min())} to {int(query_rows.max())}",
                "put train.parquet and test.parquet beside it",
            )
        )
    return lists[order]


def _rows_of(known: NDArray[np.int64], wanted: NDArray[np.int64], where: str, stem: str) -> NDArray[np.int64]:
    """Translate ids to the rows that carry them; -1, where it is no id, stays -1."""
    order = np.argsort(known, kind="stable")
    ranked = known[order]
    twice = np.flatnonzero(ranked[1:] == ranked[:-1])
    if len(twice):
        raise DataError(
            Problem(
                f"{stem}.parquet beside {where}",
                "an id of its own for every row",
                f"id {int(ranked[twice[0]])} more than once",
            )
        )
    if len(ranked) == 0:
        raise DataError(Problem(f"{stem}.parquet beside {where}", "at least 1 row", "0 rows"))
    place = np.minimum(np.searchsorted(ranked, wanted), len(ranked) - 1)
    unknown = (ranked[place] != wanted) & (wanted != -1)
    if unknown.any():
        at = tuple(int(i) for i in np.argwhere(unknown)[0])
        raise DataError(
            Problem(
                f"{where}: row {at[0]}",
                f"ids from the column id of {stem}.parquet",
                f"{int(wanted[at])}, and {int(unknown.sum())} unknown ids in all",
                "take train, test and neighbors from the same download",
            )
        )
    return np.where(ranked[place] == wanted, order[place], -1)


def write_groundtruth(
    path: Path,
    ids: NDArray[Any],
    scores: NDArray[Any] | None = None,
    *,
    layout: Layout | None = None,
    overwrite: bool = False,
) -> Notice | None:
    """Write ground truth as int32 ids and float32 scores in the format the suffix names, whole or not at all.

    Parameters
    ----------
    path
        ``.ivecs`` and ``.npy`` hold ids only; ``.npz`` and HDF5 name them
        ``neighbors`` and ``distances``; ``.ibin``, ``.bin`` and ``.gt<k>`` are binaries of either kind.
    ids
        (q, k) integers from -1 (padding) to 2**31 - 1, best first.
    scores
        (q, k) similarities or distances, stored as they are, or None. HDF5
        files mean distances: there they must not descend along a row.
    layout
        ``ids`` leaves given scores out, ``ids+distances`` insists on them; None
        stores what is given.
    overwrite
        Whether a file already there may be replaced.

    Returns
    -------
    Notice or None
        ``rounded`` where scores were not float32 already and moved; ``converted`` where they did not.

    Raises
    ------
    DataError
        An id is out of range, a score is NaN or too large, shapes differ, the
        format has no place for the scores, or the file can't be written.
    """
    where = str(path)
    stored = _checked_scores(where, ids, scores, layout, path.suffix.lower())
    with replacing(path, overwrite=overwrite) as temporary:
        notice = None if stored is None else check_castable(stored, _FLOAT32, f"{where}: scores")
        _write(temporary, np.ascontiguousarray(ids, _INT32), None if stored is None else stored.astype(_FLOAT32))
    return notice


def _checked_scores(
    where: str, ids: NDArray[Any], scores: NDArray[Any] | None, layout: Layout | None, suffix: str
) -> NDArray[Any] | None:
    """Return the scores to be stored, once ids and scores are known to fit the file."""
    if not re.fullmatch(r"\.(ivecs|npy|npz|hdf5|h5|ibin|bin|gt\d*)", suffix):
        raise DataError(
            Problem(where, "a ground-truth file: .ibin .bin .gt<k> .ivecs .npy .npz .hdf5", f"the suffix {suffix!r}")
        )
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or ids.size == 0:
        raise DataError(Problem(where, "a 2-D array of integer ids", f"shape {ids.shape} of {ids.dtype}"))
    _refuse_ids(ids, where, np.iinfo(np.int32).max)
    if layout == "ids+distances" and scores is None:
        raise DataError(Problem(where, "scores beside the ids (layout ids+distances)", "ids only"))
    if scores is None or layout == "ids":
        return None
    if suffix in (".ivecs", ".npy"):
        fix = 'choose .ibin, .npz or .hdf5, or leave the scores out (layout "ids")'
        raise DataError(Problem(where, f"ids only, as {suffix} has no place for scores", "ids and scores", fix))
    if scores.shape != ids.shape:
        raise DataError(Problem(where, f"scores of shape {ids.shape}, as the ids", f"shape {scores.shape}"))
    if np.isnan(scores).any():
        row = int(np.argwhere(np.isnan(scores))[0][0])
        raise DataError(Problem(f"{where}: row {row}", "scores that are numbers", "NaN"))
    if suffix in _HDF5_SUFFIXES and (scores[:, 1:] < scores[:, :-1]).any():
        row = int(np.argwhere(scores[:, 1:] < scores[:, :-1])[0][0])
        raise DataError(
            Problem(
                f"{where}: row {row}",
                "distances, which ascend along a row",
                "descending scores",
                'negate the scores, or leave them out (layout "ids")',
            )
        )
    return scores


def _write(path: Path, ids: NDArray[np.int32], scores: NDArray[np.float32] | None) -> None:
    suffix = path.suffix.lower()
    named: dict[str, NDArray[Any]] = {"neighbors": ids} | ({} if scores is None else {"distances": scores})
    if suffix == ".npy":
        write_npy(path, ids)
    elif suffix == ".ivecs":
        write_texmex(path, ids, _INT32)
    elif suffix == ".npz":
        write_npz(path, named)
    elif suffix in _HDF5_SUFFIXES:
        write_hdf5_arrays(path, named)
    else:
        with path.open("wb") as file:
            file.write(np.array(ids.shape, "<u4").tobytes())
            file.write(ids.tobytes())
            file.write(b"" if scores is None else scores.tobytes())
