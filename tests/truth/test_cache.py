"""The cache answers to content and to nothing else, and never hurts."""

import numpy as np
import pytest

from idxbench.truth import cache
from idxbench.truth.cache import CachedTruth, read_truth, truth_key, write_truth
from idxbench.truth.exact import Neighbors


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IDXBENCH_CACHE_DIR", str(tmp_path))
    return tmp_path / "truth"


def truth(n=3):
    return CachedTruth(Neighbors(np.arange(n)[:, None], np.ones((n, 1)), "codes", 7), 2.5)


def test_what_was_written_is_read():
    write_truth("k", truth())
    found = read_truth("k")
    np.testing.assert_array_equal(found.neighbors.ids, [[0], [1], [2]])
    assert (found.seconds, found.neighbors.engine, found.neighbors.n_scored) == (2.5, "codes", 7)
    assert read_truth("other") is None


def test_every_part_of_the_key_counts(monkeypatch):
    keys = {
        truth_key("a", "b", "dot", 10),
        truth_key("b", "a", "dot", 10),
        truth_key("a", "b", "l2", 10),
        truth_key("a", "b", "dot", 11),
        truth_key("a", "b", "dot", 10, "w"),
    }
    monkeypatch.setattr(cache, "KERNEL_VERSION", 99)
    keys.add(truth_key("a", "b", "dot", 10))
    assert len(keys) == 6


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"garbage" * 100])
def test_a_damaged_entry_is_no_entry(folder, damage):
    write_truth("k", truth())
    (folder / "k.npz").write_bytes(damage)
    assert read_truth("k") is None
    write_truth("k", truth())
    assert read_truth("k") is not None


def test_an_unwritable_cache_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IDXBENCH_CACHE_DIR", str(tmp_path / "file"))
    write_truth("k", truth())
    assert read_truth("k") is None


def test_the_oldest_go_when_it_outgrows_its_limit(folder, monkeypatch):
    import os

    write_truth("old", truth())
    os.utime(folder / "old.npz", (1, 1))
    size = (folder / "old.npz").stat().st_size
    monkeypatch.setattr(cache, "LIMIT_BYTES", 2 * size)
    write_truth("middle", truth())
    os.utime(folder / "middle.npz", (2, 2))
    write_truth("new", truth())
    assert sorted(file.stem for file in folder.iterdir()) == ["middle", "new"]
