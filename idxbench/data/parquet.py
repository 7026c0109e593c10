"""Parquet and Arrow files with a column of lists, and the folders of VectorDBBench made of them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.files import file_size, row_blocks
from idxbench.data.npy import Described
from idxbench.errors import DataError, Problem

ARROW_SUFFIXES = (".arrow", ".feather")
_BATCH_ROWS = 16384


def require_pyarrow(path: Path) -> Any:
    """Return pyarrow; a DataError says how to install it where it is missing."""
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            Problem(
                str(path),
                "pyarrow, which reads and writes this format",
                "pyarrow is not installed",
                "pip install 'idxbench[parquet]'",
            )
        ) from None
    return pyarrow


@dataclass(frozen=True)
class _Table:
    """An open file: its schema, its rows, and its columns chunk by chunk."""

    schema: Any
    n_rows: int
    chunks: Callable[[str], Iterator[Any]]


@contextmanager
def _open(path: Path) -> Iterator[_Table]:
    pa = require_pyarrow(path)
    size = file_size(path)
    try:
        if path.suffix.lower() in ARROW_SUFFIXES:
            with pa.memory_map(str(path)) as source:
                yield _arrow_table(pa, source)
        else:
            with pa.parquet.ParquetFile(path) as file:
                yield _Table(
                    file.schema_arrow,
                    file.metadata.num_rows,
                    lambda column: (batch.column(0) for batch in file.iter_batches(_BATCH_ROWS, columns=[column])),
                )
    except (pa.ArrowException, OSError) as error:
        kind = "an Arrow" if path.suffix.lower() in ARROW_SUFFIXES else "a Parquet"
        raise DataError(
            Problem(
                str(path),
                f"{kind} file",
                f"{size} bytes that do not read as one ({error})",
                "copy or download it again",
            )
        ) from None


def _arrow_table(pa: Any, source: Any) -> _Table:
    """Read the file layout of Arrow, or its stream layout (what Hugging Face writes)."""
    try:
        reader = pa.ipc.open_file(source)
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
    except pa.ArrowInvalid:
        source.seek(0)
        reader = pa.ipc.open_stream(source)
        batches = list(reader)
    return _Table(
        reader.schema,
        sum(batch.num_rows for batch in batches),
        lambda column: (batch.column(column) for batch in batches),
    )


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _value_dtype(kind: Any) -> str:
    return str(kind.value_type.to_pandas_dtype().__name__) if _is_list(kind) else str(kind)


def table_headers(path: Path) -> Described:
    """Return shape and type of every column; the width of a list column is that of its first row."""
    described: Described = {}
    with _open(path) as table:
        for field in table.schema:
            shape: tuple[int, ...] = (table.n_rows,)
            if _is_list(field.type):
                first = next((chunk for chunk in table.chunks(field.name) if len(chunk)), None)
                width = len(first[0].as_py() or ()) if first is not None else 0
                shape = (table.n_rows, width)
            described[field.name] = (shape, _value_dtype(field.type))
    return described


def read_list_column(path: Path, key: str | None = None) -> NDArray[Any]:
    """Read a column of equally long lists of numbers into memory.

    Parameters
    ----------
    path
        A Parquet or Arrow file.
    key
        The column; None takes the only column of lists.

    Returns
    -------
    (n, d) array
        Of the type in the file.

    Raises
    ------
    DataError
        pyarrow is missing, the file is broken, no or several columns could be
        meant, a row is empty or of another length (the row is named), or a value is missing.
    """
    with _open(path) as table:
        column = _choose_column(path, table.schema, key)
        where = f"{path}[{column}]"
        matrix: NDArray[Any] | None = None
        row = 0
        for chunk in table.chunks(column):
            if len(chunk) == 0:
                continue
            width = len(chunk[0].as_py() or ()) if matrix is None else matrix.shape[1]
            values = _chunk_values(chunk, width, row, where)
            if matrix is None:
                matrix = np.empty((table.n_rows, width), values.dtype)
            matrix[row : row + len(chunk)] = values
            row += len(chunk)
    if matrix is None:
        raise DataError(Problem(where, "at least 1 row", "0 rows", "write or download it again"))
    return matrix


def _choose_column(path: Path, schema: Any, key: str | None) -> str:
    lists = [field.name for field in schema if _is_list(field.type)]
    columns = ", ".join(f"{field.name} {field.type}" for field in schema)
    if key is not None:
        if key in lists:
            return key
        raise DataError(
            Problem(
                str(path),
                f"a column {key!r} of lists of numbers",
                columns,
                f"name the column as key, for example {lists[0]!r}" if lists else "",
            )
        )
    if len(lists) == 1:
        return str(lists[0])
    raise DataError(
        Problem(
            str(path),
            "a single column of lists of numbers",
            columns,
            f"name the column as key, for example {lists[0]!r}" if lists else "",
        )
    )


def _chunk_values(chunk: Any, width: int, first_row: int, where: str) -> NDArray[Any]:
    """Return a chunk of lists as (rows, width), making sure that each list has exactly that length."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # A missing list has no length, and counts as 0.
    lengths = np.asarray(pc.fill_null(pc.list_value_length(chunk), 0).to_numpy(zero_copy_only=False))
    wrong = np.flatnonzero((lengths != width) | (lengths == 0))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            Problem(
                f"{where}: row {first_row + row}",
                f"{width} values, as in the first row" if width else "at least 1 value",
                f"{int(lengths[row])} values",
                "every row must hold a list of the same length",
            )
        )
    values = chunk.flatten()
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise DataError(Problem(where, "lists of integers or floats", f"lists of {values.type}"))
    if values.null_count:
        row = first_row + int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]) // width
        raise DataError(
            Problem(f"{where}: row {row}", "a number in every place", "a missing value", "fill or drop the row")
        )
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(len(chunk), width)


def read_integer_column(path: Path, column: str) -> NDArray[np.int64]:
    """Read a column of integers, none missing, as (n,) int64."""
    import pyarrow as pa

    with _open(path) as table:
        if column not in table.schema.names or not pa.types.is_integer(table.schema.field(column).type):
            raise DataError(
                Problem(
                    str(path),
                    f"an integer column {column!r}",
                    ", ".join(f"{field.name} {field.type}" for field in table.schema),
                )
            )
        chunks = [np.empty(0, np.int64)]
        for chunk in table.chunks(column):
            if chunk.null_count:
                raise DataError(Problem(f"{path}[{column}]", "an integer in every row", "a missing value"))
            chunks.append(np.asarray(chunk.to_numpy(zero_copy_only=False), np.int64))
        return np.concatenate(chunks)  # before the file behind the chunks is closed


def write_table(path: Path, vectors: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Write vectors block by block as the columns ``id`` (row number) and ``emb`` (a list), as VectorDBBench does.

    Parameters
    ----------
    path
        Where to, ``.parquet``, ``.arrow`` or ``.feather``; written in place.
    vectors
        (n, d) values that ``dtype`` can hold (`check_castable` tells).
    dtype
        The type to store: of integers, float16, float32 or float64, in native byte order.
    """
    _write_lists(path, None, "emb", vectors, dtype)


def write_id_lists(path: Path, query_ids: NDArray[np.int64], neighbor_ids: NDArray[np.int64]) -> None:
    """Write the columns ``id`` (of the queries) and ``neighbors_id`` (lists) of VectorDBBench, in place."""
    _write_lists(path, query_ids, "neighbors_id", neighbor_ids, np.dtype(np.int64))


def _write_lists(
    path: Path, ids: NDArray[np.int64] | None, name: str, lists: NDArray[Any], dtype: np.dtype[Any]
) -> None:
    pa = require_pyarrow(path)
    value_type = pa.from_numpy_dtype(dtype)
    schema = pa.schema([("id", pa.int64()), (name, pa.list_(value_type))])
    d = lists.shape[1]
    if path.suffix.lower() in ARROW_SUFFIXES:
        writer = pa.ipc.new_file(str(path), schema)
    else:
        writer = pa.parquet.ParquetWriter(path, schema)
    with writer:
        for rows in row_blocks(len(lists), lists[:1].nbytes):
            n = rows.stop - rows.start
            values = pa.array(np.ascontiguousarray(lists[rows], dtype).reshape(-1), value_type)
            column = pa.ListArray.from_arrays(pa.array(np.arange(n + 1) * d, pa.int32()), values)
            block_ids = np.arange(rows.start, rows.stop, dtype=np.int64) if ids is None else ids[rows]
            writer.write_batch(pa.record_batch([pa.array(block_ids), column], schema=schema))


def has_parts(folder: Path, stem: str) -> bool:
    """Tell whether a folder holds any file of ``train`` or ``test``, complete or not."""
    return any(
        re.fullmatch(rf"(shuffle_)?{stem}(-\d+-of-\d+)?\.parquet", path.name) for path in folder.glob("*.parquet")
    )


def read_part_ids(folder: Path, stem: str) -> NDArray[np.int64]:
    """Read the column ``id`` of ``train`` or ``test`` in a VectorDBBench folder, row by row of `read_folder`."""
    return np.concatenate([read_integer_column(part, "id") for part in folder_parts(folder, stem)])


def folder_parts(folder: Path, stem: str) -> tuple[Path, ...]:
    """Return the files that hold ``train`` or ``test`` in a VectorDBBench folder, in order.

    ``train.parquet`` comes before ``train-00-of-10.parquet`` and so on, and both
    before the same names behind ``shuffle_``, which hold the same rows in another order.

    Raises
    ------
    DataError
        None of these is there, or parts of a series are missing (they are named).
    """
    if not folder.is_dir():
        raise DataError(Problem(str(folder), "a folder", "nothing by that name", "check the path"))
    for prefix in ("", "shuffle_"):
        whole = folder / f"{prefix}{stem}.parquet"
        if whole.exists():
            return (whole,)
        parts: dict[int, Path] = {}
        total = 0
        for path in sorted(folder.glob(f"{prefix}{stem}-*-of-*.parquet")):
            match = re.fullmatch(rf"{prefix}{stem}-(\d+)-of-(\d+)", path.stem)
            if match:
                parts[int(match[1])] = path
                total = max(total, int(match[2]))
        missing = sorted(set(range(total)) - set(parts))
        if parts and missing:
            raise DataError(
                Problem(
                    str(folder),
                    f"{total} files {prefix}{stem}-*-of-{total:02d}.parquet",
                    f"{len(parts)} of them; missing: {', '.join(f'{part:02d}' for part in missing)}",
                    "download the missing ones",
                )
            )
        if parts:
            return tuple(parts[part] for part in sorted(parts))
    held = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "an empty folder"
    raise DataError(Problem(str(folder), f"{stem}.parquet or {stem}-00-of-10.parquet", held))


def read_folder(folder: Path, stem: str, key: str | None = None) -> NDArray[Any]:
    """Read ``train`` or ``test`` of a VectorDBBench folder, its parts one below the other in their order."""
    matrices = [read_list_column(path, key) for path in folder_parts(folder, stem)]
    widths = {matrix.shape[1] for matrix in matrices}
    if len(widths) > 1:
        raise DataError(Problem(str(folder), "parts of the same width", f"widths {sorted(widths)}"))
    return matrices[0] if len(matrices) == 1 else np.concatenate(matrices)
