"""Samples of single queries, read back."""

import numpy as np
import pytest

from idxbench.errors import ResultError
from idxbench.store.npz import packed
from idxbench.store.samples import cell_name, gathered, read_samples


def test_cells_come_back_with_their_arrays(tmp_path):
    names = ['a|b|hnswlib|{"M":8}|{"ef":10}', "raw|exact||"]
    arrays = {f"{i}/latency": np.full((2, 3), float(i)) for i in range(2)}
    np.savez_compressed(tmp_path / "queries.npz", cells=np.array(names), **arrays)
    first, second = read_samples(tmp_path)
    assert (first.strategy, first.index, first.build, first.search) == ("a|b", "hnswlib", '{"M":8}', '{"ef":10}')
    assert (second.strategy, second.index, second.build, second.search) == ("raw", "exact", "", "")
    assert second.arrays["latency"].tolist() == [[1.0] * 3] * 2


def test_more_than_ten_cells_do_not_mix(tmp_path):
    names = [f"s{i}|x||" for i in range(12)]
    arrays = {f"{i}/recall_task@10": np.array([float(i)]) for i in range(12)}
    np.savez_compressed(tmp_path / "queries.npz", cells=np.array(names), **arrays)
    assert [float(one.arrays["recall_task@10"][0]) for one in read_samples(tmp_path)] == list(range(12))


def test_no_file_is_no_cell(tmp_path):
    assert list(read_samples(tmp_path)) == []


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04torn"])
def test_a_torn_file_is_a_message(tmp_path, content):
    (tmp_path / "queries.npz").write_bytes(content)
    with pytest.raises(ResultError, match=r"a readable queries\.npz"):
        list(read_samples(tmp_path))


def test_a_byte_that_was_flipped_is_a_message(tmp_path):
    """Wherever it is, the file is read as it was written, or there is a message."""
    values = np.random.default_rng(0).random(200).round(1)
    cells = gathered([(cell_name("raw", "hnswlib", "{}", "{}"), {"latency": values})])
    (tmp_path / "queries.npz").write_bytes(packed(cells))
    whole, torn = (tmp_path / "queries.npz").read_bytes(), 0
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 0x55
        (tmp_path / "queries.npz").write_bytes(flipped)
        try:
            for one in read_samples(tmp_path):
                for held in one.arrays.values():
                    np.testing.assert_array_equal(held, values)
        except ResultError:
            torn += 1
    assert torn > 50


def test_a_file_without_cells_is_a_message(tmp_path):
    np.savez(tmp_path / "queries.npz", other=np.ones(1))
    with pytest.raises(ResultError, match=r"queries\.npz"):
        list(read_samples(tmp_path))
