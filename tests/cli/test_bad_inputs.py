"""What users really feed a program, and what it says to them: exit 2, a message, nothing left behind."""

import struct
from pathlib import Path

import numpy as np
import pytest

import idxbench

TAIL = """
[[index]]
kind = "hnswlib"
M = 8
ef_construction = 40
ef = [10, 40]
[similar]
sample = 100
[clusters]
counts = [2]
seeds = 2
[measure]
rounds = 2
"""


@pytest.fixture
def run(call, tmp_path):
    """Write arrays and a config, run it, return what was said."""

    def go(items, queries=None, *, code=0, head="", data='trained_with = "dot"\n', tail=TAIL):
        for name, array in (("items", items), ("queries", queries)):
            if array is not None:
                np.save(tmp_path / f"{name}.npy", array)
        files = 'items = "items.npy"\n' + ('queries = "queries.npy"\n' if queries is not None else "")
        (tmp_path / "c.toml").write_text(f"{head}\n[data]\n{files}{data}{tail}")
        done = call("run", "c.toml", code=code)
        if code == 2:
            assert done.stdout == ""
            assert not list(tmp_path.glob("results/*/*")), "a refused run leaves nothing behind"
        return " ".join((done.stderr if code == 2 else done.stdout).split())

    return go


def gaussian(n=120, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["items", "queries"])
def test_non_finite_rows(run, bad, where):
    arrays = {"items": gaussian(), "queries": gaussian(20)}
    arrays[where][13, 2] = bad
    said = run(arrays["items"], arrays["queries"], code=2)
    assert where in said
    assert "13" in said


def test_rows_are_those_of_the_file_even_when_some_are_held_out(run):
    items = gaussian()
    items[[3, 77]] = np.nan
    said = run(items, code=2, data="holdout = 50\n")
    assert "items.npy: items" in said
    assert "in 2 of 120 rows, first in rows 3, 77" in said


def test_values_beyond_float32_are_named(run):
    items = gaussian().astype(float)
    items[5] = 1e300
    assert "beyond 3.4e38 in 1 of 120 rows, first in rows 5" in run(items, code=2)


def test_zero_rows_are_a_warning(run):
    items = gaussian()
    items[[3, 5]] = 0
    assert "2 of 120 items are zero vectors (row 3, 5)" in run(items, gaussian(20))


def test_wrong_widths(run):
    said = run(gaussian(), gaussian(20, d=5), code=2)
    assert "6" in said
    assert "5" in said


def test_k_above_the_corpus_in_two_places(run):
    said = run(gaussian(), gaussian(20), code=2, head="k = [10, 121, 500]")
    assert "c.toml: k[1] expected: at most 120, the number of items found: 121" in said
    assert "c.toml: k[2]" in said


def test_k_equal_to_the_corpus(run):
    assert "top 120" in run(gaussian(), gaussian(20), head="k = [10, 120]")


def test_cluster_counts_above_the_corpus(run):
    said = run(gaussian(), gaussian(20), code=2, tail=TAIL.replace("counts = [2]", "counts = [2, 121]"))
    assert "clusters.counts[1] expected: at most 120" in said


def test_truncated_and_empty_files(call, tmp_path):
    """Every broken file of a config is reported in one go, with byte counts."""
    (tmp_path / "items.fvecs").write_bytes((struct.pack("<i", 4) + bytes(16)) * 3 + b"\x04\x00")
    (tmp_path / "queries.fbin").write_bytes(struct.pack("<II", 10, 4) + bytes(100))
    (tmp_path / "c.toml").write_text('[data]\nitems = "items.fvecs"\nqueries = "queries.fbin"\n')
    said = call("run", "c.toml", code=2).stderr
    assert "2 errors" in said
    assert "items.fvecs" in said
    assert "62" in said
    assert "queries.fbin" in said
    assert "108" in said
    for name in ("e.npy", "e.fvecs", "e.fbin", "e.hdf5", "e.npz", "e.parquet", "e.bvecs"):
        (tmp_path / name).write_bytes(b"")
        (tmp_path / "c.toml").write_text(f'[data]\nitems = "{name}"\n')
        assert name in call("run", "c.toml", code=2).stderr


def test_missing_files_are_reported_together(call, tmp_path):
    (tmp_path / "c.toml").write_text('[data]\nitems = "a.npy"\nqueries = "b.npy"\nlabels = "c.tsv"\n')
    said = call("run", "c.toml", code=2).stderr
    assert "3 errors" in said
    assert all(name in said for name in ("a.npy", "b.npy", "c.tsv"))


def test_unknown_suffix(call, tmp_path):
    (tmp_path / "x.vec").write_bytes(b"1 2 3")
    (tmp_path / "c.toml").write_text('[data]\nitems = "x.vec"\n')
    assert ".fvecs" in call("run", "c.toml", code=2).stderr


def test_labels_that_do_not_fit(run, tmp_path):
    (tmp_path / "l.tsv").write_text("label\na\nb\n")
    assert "120 labels, one per row of items" in run(gaussian(), gaussian(20), code=2, data='labels = "l.tsv"\n')


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root can't write to")
def test_unwritable_output(call, tmp_path):
    (tmp_path / "c.toml").write_text('[data]\nsource = "digits"\n')
    assert "choose another with --out DIR" in call("run", "c.toml", "--out", "/proc/idxbench", code=2).stderr


def test_output_where_a_file_stands(call, tmp_path):
    (tmp_path / "c.toml").write_text('[data]\nsource = "digits"\n')
    (tmp_path / "file").write_text("")
    said = call("run", "c.toml", "--out", tmp_path / "file" / "x", code=2).stderr
    assert "a folder this user can write to" in said


def test_one_by_one(run):
    said = run(
        np.ones((1, 1), "f4"),
        np.ones((1, 1), "f4"),
        head="k = 1",
        tail='[[index]]\nkind = "hnswlib"\n[measure]\nrounds = 1\n',
    )
    assert "one item has no neighbours" in said
    assert "Retrieve: top 1" in said


def test_two_items(run):
    said = run(gaussian(2), gaussian(9), head="k = 2")
    assert "Similar" in said
    assert "Cluster" in said


def test_all_rows_identical(run):
    said = run(np.ones((150, 4), "f4"), np.ones((30, 4), "f4"))
    assert "149 items (99.3%) repeat an earlier one" in said


def test_all_rows_zero(run):
    assert "150 of 150 items are zero vectors" in run(np.zeros((150, 4), "f4"), gaussian(30, 4))


@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e-30, 1e15])
def test_scale_changes_no_figure_of_quality(run, scale, tmp_path):
    """The same data at another scale: the same recall, overlap and drift to the last digit that matters."""
    items, queries = gaussian(400), gaussian(60, seed=1)
    run(items, queries)
    run((items * np.float32(scale)).astype("f4"), (queries * np.float32(scale)).astype("f4"))
    first, second = (idxbench.load_run(path).table for path in sorted((tmp_path / "results/run").iterdir()))
    quality = ["recall", "exact_overlap", "neighbor_overlap", "cluster_drift", "ari", "hub_gini"]
    key = ["task", "strategy", "search", "k", "metric", "reference"]
    one, two = (table[table.metric.isin(quality)].set_index(key).value for table in (first, second))
    assert len(one) > 25
    np.testing.assert_allclose(one, two, atol=0.03)


def test_float64_in_fortran_order_is_stated(run):
    items = np.asfortranarray(gaussian().astype(float))
    assert "items are float64; indexes hold them as float32" in run(items, gaussian(20))


def test_no_queries_runs_what_can_run(run):
    said = run(gaussian())
    assert "there are no queries" in said
    assert "Similar" in said
    assert "Decision" not in said


def test_holdout_larger_than_the_corpus(run):
    assert "fewer than the 120 items" in run(gaussian(), code=2, data="holdout = 120\n")


def test_a_transform_that_does_not_fit(run):
    tail = '[[strategy]]\ntransform = { kind = "rescaled", axis = 6, factor = 2.0 }\n' + TAIL
    assert "0 to 5, an axis of the items found: 6" in run(gaussian(), gaussian(20), code=2, tail=tail)


def test_given_neighbours_that_are_wrong_are_replaced(run, tmp_path):
    items, queries = gaussian(), gaussian(20)
    right, _ = idxbench.exact_topk(items, queries, 10)
    data = 'trained_with = "dot"\nneighbors = "n.npy"\n'
    np.save(tmp_path / "n.npy", right)
    assert "agree with exact search on 20 queries" in run(items, queries, data=data)
    np.save(tmp_path / "n.npy", right[:, ::-1])
    said = run(items, queries, data=data)
    assert "not used as ground truth" in said
    np.save(tmp_path / "n.npy", right[:5])
    assert "20 rows, one per query" in run_again(run, items, queries, data, tmp_path)


def run_again(run, items, queries, data, tmp_path):
    import shutil

    shutil.rmtree(tmp_path / "results")
    return run(items, queries, code=2, data=data)
