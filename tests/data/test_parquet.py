import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idxbench.data import files
from idxbench.data.parquet import (
    folder_parts,
    read_folder,
    read_integer_column,
    read_list_column,
    table_headers,
    write_table,
)
from idxbench.errors import DataError

pa = pytest.importorskip("pyarrow", reason="needs idxbench[parquet]")
pq = pytest.importorskip("pyarrow.parquet", reason="needs idxbench[parquet]")
feather = pytest.importorskip("pyarrow.feather", reason="needs idxbench[parquet]")

ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 2)])
def test_every_kind_of_list_is_read(tmp_path: Path, kind: object) -> None:
    table = pa.table({"id": [7, 8, 9], "emb": pa.array(ROWS, kind)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=2)
    feather.write_feather(table, tmp_path / "x.feather", compression="lz4")
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, 2)
    for name in ("x.parquet", "x.feather", "x.arrow"):
        vectors = read_list_column(tmp_path / name)
        assert vectors.dtype == np.float32
        assert vectors.tolist() == ROWS
        assert read_integer_column(tmp_path / name, "id").tolist() == [7, 8, 9]
        assert table_headers(tmp_path / name) == {"id": ((3,), "int64"), "emb": ((3, 2), "float32")}


def test_columns_are_chosen_or_listed(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": ROWS, "b": [[1], [2], [3]], "c": [1, 2, 3]}), path)
    assert read_list_column(path, "b").tolist() == [[1], [2], [3]]
    with pytest.raises(DataError, match=r"a single column of lists[\s\S]*a list<.*, b list<.*, c int64[\s\S]*'a'"):
        read_list_column(path)
    with pytest.raises(DataError, match="column 'c' of lists"):
        read_list_column(path, "c")
    with pytest.raises(DataError, match="an integer column 'a'"):
        read_integer_column(path, "a")


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([[1.0, 2.0], [3.0], [4.0, 5.0, 6.0]], r"row 1\n  expected: 2 values, as in the first row\n.*1 values"),
        ([[1.0, 2.0], None], "row 1\n.*\n.*0 values"),
        ([[1.0, 2.0], [None, 2.0]], "row 1\n.*\n.*a missing value"),
        ([[], []], "row 0\n.*at least 1 value"),
        ([["a", "b"]], "lists of integers or floats"),
        ([[True, False]], "lists of bool"),
    ],
)
def test_rows_that_are_no_vectors_are_named(tmp_path: Path, lists: list[object], message: str) -> None:
    pq.write_table(pa.table({"emb": lists}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=message):
        read_list_column(tmp_path / "x.parquet")


def test_the_row_is_counted_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idxbench.data.parquet._BATCH_ROWS", 4)
    pq.write_table(pa.table({"emb": [[1.0, 2.0]] * 9 + [[1.0]]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="row 9"):
        read_list_column(tmp_path / "x.parquet")


def test_empty_and_broken_files_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"emb": pa.array([], pa.list_(pa.float32()))}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"at least 1 row\n.*0 rows"):
        read_list_column(tmp_path / "x.parquet")
    for name, kind in (("y.parquet", "a Parquet"), ("y.arrow", "an Arrow")):
        (tmp_path / name).write_bytes(b"PAR1 no table")
        with pytest.raises(DataError, match=f"{kind} file\n.*13 bytes that do not read as one"):
            read_list_column(tmp_path / name)


def test_without_pyarrow_the_fix_is_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for call in (lambda: read_list_column(tmp_path / "x.parquet"), lambda: table_headers(tmp_path / "x.arrow")):
        with pytest.raises(DataError, match=r"pip install 'idxbench\[parquet\]'"):
            call()


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        st.sampled_from(["<f2", "<f4", "<f8", "u1", "<i8"]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)
    ),
    st.sampled_from([".parquet", ".arrow", ".feather"]),
)
def test_what_is_written_pyarrow_reads(
    tmp_path_factory: pytest.TempPathFactory, vectors: np.ndarray, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("table") / f"x{suffix}"
    write_table(path, vectors, vectors.dtype)
    table = pq.read_table(path) if suffix == ".parquet" else feather.read_table(path)
    assert table.column("id").to_pylist() == list(range(len(vectors)))
    np.testing.assert_array_equal(np.array(table.column("emb").to_pylist(), vectors.dtype), vectors)
    found = read_list_column(path)
    assert found.dtype == vectors.dtype
    np.testing.assert_array_equal(found, vectors)


def test_blocks_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 64)
    vectors = np.arange(100, dtype=np.float32).reshape(50, 2)
    write_table(tmp_path / "x.parquet", vectors, vectors.dtype)
    np.testing.assert_array_equal(read_list_column(tmp_path / "x.parquet"), vectors)
    assert read_integer_column(tmp_path / "x.parquet", "id").tolist() == list(range(50))


def part(folder: Path, name: str, rows: list[list[float]]) -> None:
    pq.write_table(pa.table({"id": list(range(len(rows))), "emb": rows}), folder / name)


def test_a_folder_in_parts_is_read_in_order(tmp_path: Path) -> None:
    for i in range(11):
        part(tmp_path, f"train-{i:02d}-of-11.parquet", [[float(i), 0.0]])
    part(tmp_path, "shuffle_train.parquet", [[9.0, 9.0]])
    assert [path.name[6:8] for path in folder_parts(tmp_path, "train")] == [f"{i:02d}" for i in range(11)]
    assert read_folder(tmp_path, "train")[:, 0].tolist() == list(range(11))
    part(tmp_path, "train.parquet", [[5.0, 5.0]])
    assert read_folder(tmp_path, "train").tolist() == [[5.0, 5.0]]


def test_the_shuffled_names_are_found(tmp_path: Path) -> None:
    part(tmp_path, "shuffle_train-00-of-01.parquet", [[9.0, 9.0]])
    assert read_folder(tmp_path, "train").tolist() == [[9.0, 9.0]]


def test_missing_parts_and_odd_widths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train.parquet or train-00-of-10.parquet\n.*an empty folder"):
        read_folder(tmp_path, "train")
    with pytest.raises(DataError, match="nothing by that name"):
        read_folder(tmp_path / "nowhere", "train")
    part(tmp_path, "train-00-of-03.parquet", [[1.0, 2.0]])
    with pytest.raises(DataError, match=r"3 files train-\*-of-03.parquet\n.*1 of them; missing: 01, 02"):
        read_folder(tmp_path, "train")
    part(tmp_path, "train-01-of-03.parquet", [[1.0]])
    part(tmp_path, "train-02-of-03.parquet", [[1.0, 2.0]])
    with pytest.raises(DataError, match=r"widths \[1, 2\]"):
        read_folder(tmp_path, "train")
