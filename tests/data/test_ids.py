"""Ids as users keep them: lines, columns, arrays; and what is said where a row has none."""

from pathlib import Path

import numpy as np
import pytest

from idxbench.data.ids import read_ids, split_key
from idxbench.errors import DataError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_lines(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeffx y\r\né\x0c1\n007")
    assert read_ids(path).tolist() == ["x y", "é\x0c1", "007"]
    assert read_ids(write(path, "a\nb\n")).tolist() == ["a", "b"]


@pytest.mark.parametrize(("name", "mark"), [("a.tsv", "\t"), ("a.csv", ",")])
def test_a_column_by_its_usual_name(tmp_path, name, mark):
    path = write(tmp_path / name, f"title{mark}Item_ID\nx{mark}7\ny{mark}-3\nz{mark}12\n")
    assert read_ids(path).tolist() == ["7", "-3", "12"]
    assert read_ids(path, "title").tolist() == ["x", "y", "z"]
    assert read_ids(write(path, "anything\nb\na\n")).tolist() == ["b", "a"]


def test_a_column_among_several_must_be_named(tmp_path):
    path = write(tmp_path / "a.tsv", "title\tname\nx\ty\n")
    with pytest.raises(DataError, match=r"(?s)the columns title, name.*a\.tsv::title"):
        read_ids(path)
    with pytest.raises(DataError, match="did you mean 'name'"):
        read_ids(path, "nam")


def test_arrays(tmp_path):
    np.save(tmp_path / "i.npy", np.array([3, 1], np.uint16))
    assert read_ids(tmp_path / "i.npy").dtype == np.int64
    np.save(tmp_path / "b.npy", np.array([b"b", "é".encode()]))
    assert read_ids(tmp_path / "b.npy").tolist() == ["b", "é"]
    # 64 bits without a sign do not fit 64 bits with one.
    np.save(tmp_path / "u.npy", np.array([2**64 - 1, 0], np.uint64))
    assert read_ids(tmp_path / "u.npy").tolist() == [str(2**64 - 1), "0"]
    np.savez(tmp_path / "z.npz", items=np.ones((2, 3)), item_ids=np.array([5, 6]), sizes=np.array([1, 1]))
    assert read_ids(tmp_path / "z.npz").tolist() == [5, 6]
    assert read_ids(tmp_path / "z.npz", "sizes").tolist() == [1, 1]
    with pytest.raises(DataError, match="an array named 'nope'"):
        read_ids(tmp_path / "z.npz", "nope")


@pytest.mark.parametrize("bad", [np.array([1.5, 2.0]), np.ones((2, 2), int), np.array([], int), np.array([True])])
def test_arrays_that_are_no_ids(tmp_path, bad):
    np.save(tmp_path / "x.npy", bad)
    with pytest.raises(DataError, match=r"a 1-D array of integers or strings|empty"):
        read_ids(tmp_path / "x.npy")


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table({"id": [5, 7], "name": pa.array(["a", "b"]).dictionary_encode(), "hole": [1, None]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_ids(tmp_path / "t.parquet").tolist() == [5, 7]
    assert read_ids(tmp_path / "t.parquet", "name").tolist() == ["a", "b"]
    with pytest.raises(DataError, match="1 missing values"):
        read_ids(tmp_path / "t.parquet", "hole")
    with pytest.raises(DataError, match="a column named 'x'"):
        read_ids(tmp_path / "t.parquet", "x")
    write(tmp_path / "broken.parquet", "no")
    with pytest.raises(DataError, match="a Parquet file"):
        read_ids(tmp_path / "broken.parquet")


@pytest.mark.parametrize(
    ("name", "text", "row"),
    [("a.txt", "a\n\nb\n", "row 1"), ("a.tsv", "id\tx\n1\tx\n\tx\n", "row 1"), ("a.csv", "id\n4\n-1\n", "row 1")],
)
def test_a_row_without_an_id_is_named(tmp_path, name, text, row):
    with pytest.raises(DataError, match=rf"(?s)an id in every row.*{row}"):
        read_ids(write(tmp_path / name, text))


def test_mistakes(tmp_path):
    with pytest.raises(DataError, match=r"ids: \.txt"):
        read_ids(tmp_path / "a.fvecs")
    with pytest.raises(DataError, match="no key"):
        read_ids(write(tmp_path / "a.txt", "a"), "x")
    with pytest.raises(DataError, match="UTF-8"):
        read_ids(write(tmp_path / "a.txt", "é", "latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_ids(write(tmp_path / "a.csv", "é\n1\n", "latin-1"))
    with pytest.raises(DataError, match="did you mean"):
        read_ids(tmp_path / "b.txt")


def test_a_key_after_the_file(tmp_path):
    assert split_key(Path("d/both.npz::items")) == (Path("d/both.npz"), "items")
    for plain in ("both.npz", "::x", "both.npz::"):
        assert split_key(Path(plain)) == (Path(plain), None)
    odd = write(tmp_path / "a::b.txt", "x")
    assert split_key(odd) == (odd, None)
