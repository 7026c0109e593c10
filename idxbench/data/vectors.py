"""The one door for vectors: read, write and describe a file of any known format, told by its suffix."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.data.bigann import BIGANN_DTYPES, bigann_layout, read_bigann, write_bigann
from idxbench.data.casts import check_castable
from idxbench.data.check import check_matrix
from idxbench.data.files import replacing
from idxbench.data.hdf5 import DEFAULT_KEYS as HDF5_KEYS
from idxbench.data.hdf5 import hdf5_headers, read_hdf5, write_hdf5
from idxbench.data.npy import (
    choose_key,
    npy_header,
    npz_headers,
    read_npy,
    read_npz,
    write_npy,
    write_npz,
)
from idxbench.data.parquet import (
    ARROW_SUFFIXES,
    folder_parts,
    read_folder,
    read_list_column,
    table_headers,
    write_table,
)
from idxbench.data.texmex import TEXMEX_DTYPES, read_texmex, texmex_header, write_texmex
from idxbench.errors import DataError, Problem
from idxbench.records import Notice

Role = Literal["items", "queries"]

_HDF5_SUFFIXES = (".hdf5", ".h5")
_TABLE_SUFFIXES = (".parquet", *ARROW_SUFFIXES)
VECTOR_SUFFIXES: tuple[str, ...] = (
    ".npy",
    ".npz",
    *_HDF5_SUFFIXES,
    *TEXMEX_DTYPES,
    *BIGANN_DTYPES,
    *_TABLE_SUFFIXES,
)
_FOLDER_STEMS = {"items": "train", "queries": "test"}
_NPZ_OTHERS = {
    "items": ("queries", "labels", "neighbors", "distances"),
    "queries": ("items", "labels", "neighbors", "distances"),
}


@dataclass(frozen=True)
class ArrayInfo:
    """One array of a file, from its header.

    Parameters
    ----------
    key
        Its name; empty where a file holds a single nameless array.
    shape
        Its length in each dimension.
    dtype
        Its type: ``float32``.
    """

    key: str
    shape: tuple[int, ...]
    dtype: str


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in VECTOR_SUFFIXES:
        raise DataError(
            Problem(
                str(path),
                f"a file of vectors: {' '.join(VECTOR_SUFFIXES)}",
                f"the suffix {path.suffix!r}" if path.suffix else "no suffix",
                "rename or convert the file",
            )
        )
    return suffix


def _only_array(path: Path, key: str | None) -> None:
    if key is not None:
        raise DataError(
            Problem(str(path), "no key: such a file holds one nameless array", f"key {key!r}", "drop the key")
        )


def read_vectors(path: Path, key: str | None = None, *, role: Role = "items") -> NDArray[Any]:
    """Read vectors of any format, mapped into memory where its layout allows.

    Parameters
    ----------
    path
        A file with one of ``VECTOR_SUFFIXES``, or a VectorDBBench folder.
    key
        Array of an ``.npz``, dataset of an HDF5 file, column of a Parquet or
        Arrow file. None takes what ``role`` says, or the only array that can be meant.
    role
        The default key: ``items`` or ``queries`` in an ``.npz``, ``train`` or
        ``test`` in an HDF5 file and a folder.

    Returns
    -------
    (n, d) array or numpy.memmap
        Read-only where mapped; any integer or float type, in the order and type
        of the file. The appended column of ``lastfm-64-dot`` is still there:
        `idxbench.data.hdf5.without_augmentation` leaves it out and says so.

    Raises
    ------
    DataError
        The file is missing, broken or cut short, holds no such array or several
        that could be meant, or one that is not 2-D, numeric and non-empty.

    Notes
    -----
    Mapped: ``.npy``, the binaries, and uncompressed contiguous HDF5. Read into memory: the others.
    """
    where = str(path)
    if path.is_dir():
        vectors = read_folder(path, _FOLDER_STEMS[role], key)
        check_matrix(vectors, where)
        return vectors
    suffix = _suffix(path)
    if suffix == ".npz":
        if key is None:
            key = choose_key(where, npz_headers(path), role, _NPZ_OTHERS[role])
        vectors, where = read_npz(path, key), f"{path}[{key}]"
    elif suffix in _HDF5_SUFFIXES:
        vectors = read_hdf5(path, key, role=role)
    elif suffix in _TABLE_SUFFIXES:
        vectors = read_list_column(path, key)
    else:
        _only_array(path, key)
        read = read_npy if suffix == ".npy" else read_texmex if suffix in TEXMEX_DTYPES else read_bigann
        vectors = read(path)
    check_matrix(vectors, where)
    return vectors


def describe(path: Path) -> tuple[ArrayInfo, ...]:
    """Return every array of a file or VectorDBBench folder, reading headers only.

    Raises
    ------
    DataError
        The file is missing, of no known format, or its header is broken.
    """
    if path.is_dir():
        return _describe_folder(path)
    suffix = _suffix(path)
    if suffix == ".npy":
        shape, dtype = npy_header(path)
        return (ArrayInfo("", shape, str(dtype)),)
    if suffix in TEXMEX_DTYPES:
        return (ArrayInfo("", texmex_header(path), str(TEXMEX_DTYPES[suffix])),)
    if suffix in BIGANN_DTYPES:
        return (ArrayInfo("", bigann_layout(path)[:2], str(BIGANN_DTYPES[suffix])),)
    headers = npz_headers if suffix == ".npz" else hdf5_headers if suffix in _HDF5_SUFFIXES else table_headers
    return tuple(ArrayInfo(key, shape, kind) for key, (shape, kind) in headers(path).items())


def _describe_folder(folder: Path) -> tuple[ArrayInfo, ...]:
    """Describe ``train`` (which must be there) and ``test``, each over all of its parts."""
    found = []
    for stem in ("train", "test"):
        if stem == "test" and not any(folder.glob("*test*.parquet")):
            continue
        headers = [table_headers(part) for part in folder_parts(folder, stem)]
        for key, (shape, kind) in headers[0].items():
            if len(shape) == 2:
                n_rows = sum(header[key][0][0] for header in headers)
                found.append(ArrayInfo(f"{stem}/{key}", (n_rows, shape[1]), kind))
    return tuple(found)


def _stored_dtype(suffix: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type a file of this suffix stores vectors of that type in."""
    if suffix in TEXMEX_DTYPES:
        return TEXMEX_DTYPES[suffix]
    if suffix in BIGANN_DTYPES:
        return BIGANN_DTYPES[suffix]
    if suffix in _HDF5_SUFFIXES:
        return np.dtype("<f4")
    if suffix in _TABLE_SUFFIXES:
        # Arrow has no 80-bit floats, and only the machine's own byte order.
        return np.dtype(np.float64) if dtype.itemsize > 8 else dtype.newbyteorder("=")
    return dtype


def write_vectors(path: Path, vectors: NDArray[Any], *, role: Role = "items", overwrite: bool = False) -> Notice | None:
    """Write vectors in the format its suffix names, block by block, whole or not at all.

    Parameters
    ----------
    path
        Where to, in an existing folder.
    vectors
        (n, d), any integer or float type and layout; a memory map is not copied whole.
    role
        The name of the array in ``.npz`` and HDF5 files, as for `read_vectors`.
    overwrite
        Whether a file already there may be replaced.

    Returns
    -------
    Notice or None
        None when every bit was kept. ``converted``: stored in another type,
        every value exactly. ``rounded``: float32 files (``.fbin``, ``.fvecs``,
        HDF5) store the nearest float32; says how many values moved and how far.

    Raises
    ------
    DataError
        The array is not 2-D, numeric and non-empty; a value does not fit the
        type of the file (its row is named; nothing is written); the file exists
        and may not be replaced; or it can't be written.
    """
    check_matrix(vectors, f"vectors for {path}")
    suffix = _suffix(path)
    dtype = _stored_dtype(suffix, vectors.dtype)
    with replacing(path, overwrite=overwrite) as temporary:
        notice = check_castable(vectors, dtype, str(path))
        if suffix == ".npy":
            write_npy(temporary, vectors)
        elif suffix == ".npz":
            write_npz(temporary, {role: vectors})
        elif suffix in TEXMEX_DTYPES:
            write_texmex(temporary, vectors, dtype)
        elif suffix in BIGANN_DTYPES:
            write_bigann(temporary, vectors, dtype)
        elif suffix in _HDF5_SUFFIXES:
            write_hdf5(temporary, vectors, HDF5_KEYS[role])
        else:
            write_table(temporary, vectors, dtype)
    return notice
