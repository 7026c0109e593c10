"""NumPy's own files: ``.npy`` mapped into memory, ``.npz`` array by array; nothing is ever unpickled."""

import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from idxbench.data.files import file_size, row_blocks
from idxbench.errors import DataError, Problem

Described = dict[str, tuple[tuple[int, ...], str]]


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


def _read_header(file: IO[bytes], where: str) -> _Header:
    """Read the header of an ``.npy`` stream and leave the stream at the first value."""
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            header = _Header(*np.lib.format.read_array_header_1_0(file))
        elif version == (2, 0):
            header = _Header(*np.lib.format.read_array_header_2_0(file))
        else:
            raise ValueError(f"version {version[0]}.{version[1]} of the format")
    except (ValueError, EOFError, UnicodeError) as error:
        raise DataError(Problem(where, "a NumPy .npy header", str(error), "write it again with numpy.save")) from None
    if header.dtype.hasobject:
        raise DataError(
            Problem(
                where,
                "plain numbers or strings",
                f"Python objects (dtype {header.dtype}), which are never unpickled",
                "save it as a numeric or fixed-width string array",
            )
        )
    return header


def npy_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of an ``.npy`` file, reading its header only.

    Raises
    ------
    DataError
        As for `read_npy`, but for the size, which is not looked at.
    """
    file_size(path)
    with path.open("rb") as file:
        header = _read_header(file, str(path))
    return header.shape, header.dtype


def read_npy(path: Path) -> NDArray[Any]:
    """Map an ``.npy`` file into memory, read-only, whatever its shape, order and plain type.

    Returns
    -------
    numpy.memmap
        As stored; a plain empty array where there is nothing to map.

    Raises
    ------
    DataError
        The file is missing, empty, no ``.npy``, holds Python objects, or is
        not exactly as long as its header says (both lengths are given).
    """
    size = file_size(path)
    with path.open("rb") as file:
        header = _read_header(file, str(path))
        offset = file.tell()
    values = 1
    for length in header.shape:
        values *= length
    expected = offset + values * header.dtype.itemsize
    if size != expected:
        missing = expected - size
        raise DataError(
            Problem(
                str(path),
                f"{expected} bytes: a header of {offset}, then {header.shape} values of {header.dtype}",
                f"{size} bytes, " + (f"{missing} too few" if missing > 0 else f"{-missing} too many"),
                "it was cut short: write or copy it again"
                if missing > 0
                else "keep one array per file, saved with numpy.save",
            )
        )
    if values == 0 or header.dtype.itemsize == 0:
        return np.empty(header.shape, header.dtype)
    order = "F" if header.fortran else "C"
    return np.memmap(path, header.dtype, "r", offset, header.shape, order)  # type: ignore[call-overload, no-any-return]


def write_npy(path: Path, vectors: NDArray[Any]) -> None:
    """Write an array row-major, block by block, so that a memory map is never copied whole."""
    described = {
        "descr": np.lib.format.dtype_to_descr(vectors.dtype),
        "fortran_order": False,
        "shape": vectors.shape,
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, described)
        for rows in row_blocks(len(vectors), vectors[:1].nbytes):
            file.write(np.ascontiguousarray(vectors[rows]).data)


def npz_headers(path: Path) -> Described:
    """Return shape and dtype of every array in an ``.npz`` file, reading their headers only.

    Raises
    ------
    DataError
        The file is missing, no zip archive, cut short, or holds Python objects.
    """
    file_size(path)
    described: Described = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith(".npy"):
                    key = member.removesuffix(".npy")
                    with archive.open(member) as file:
                        header = _read_header(file, f"{path}[{key}]")
                    described[key] = (header.shape, str(header.dtype))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise _broken_npz(path, error) from None
    return described


def read_npz(path: Path, key: str) -> NDArray[Any]:
    """Read one array of an ``.npz`` file into memory.

    Raises
    ------
    DataError
        The file is broken, the array is not in it (those that are get listed
        with their shapes), or it holds Python objects.
    """
    described = npz_headers(path)
    if key not in described:
        raise missing_key(str(path), key, described)
    where = f"{path}[{key}]"
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open(f"{key}.npy") as file:
                _read_header(file, where)  # refuses objects before NumPy meets them
            with archive.open(f"{key}.npy") as file:
                array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise _broken_npz(path, error) from None
    return array


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays, uncompressed; NumPy streams each of them."""
    with path.open("wb") as file:
        # A keyword dictionary confuses the stubs, whose own keyword is ``allow_pickle``.
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _broken_npz(path: Path, error: Exception) -> DataError:
    return DataError(
        Problem(
            str(path),
            "a NumPy .npz archive",
            f"{path.stat().st_size} bytes that do not read as one ({error})",
            "write it again with numpy.savez",
        )
    )


def listed(described: Described) -> str:
    """Write arrays as ``items (100, 8) float32, labels (100,) int64``."""
    if not described:
        return "no array"
    return ", ".join(f"{key} {shape} {dtype}" for key, (shape, dtype) in described.items())


def missing_key(where: str, key: str, described: Described) -> DataError:
    """Return the error for an array that is not in a file, naming those that are."""
    return DataError(Problem(where, f"an array named {key!r}", listed(described), "name one of those as key"))


def choose_key(where: str, described: Described, default: str, never: Collection[str] = ()) -> str:
    """Choose the array meant when no key was given.

    Parameters
    ----------
    where
        The file, for the message.
    described
        What it holds.
    default
        Taken where present; otherwise the only 2-D array is.
    never
        Names that mean something else and are not taken for the only array.

    Raises
    ------
    DataError
        Several arrays could be meant, or none; they are listed with their shapes.
    """
    if default in described:
        return default
    matrices = [key for key, (shape, _) in described.items() if len(shape) == 2 and key not in never]
    if len(matrices) == 1:
        return matrices[0]
    expected = f"an array named {default!r}, or a single 2-D array"
    fix = f"name the array meant as key, for example {matrices[0]!r}" if matrices else ""
    raise DataError(Problem(where, expected, listed(described), fix))
