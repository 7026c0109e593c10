"""``idxbench truth`` as a user runs it: files in, files out, and what it says to mistakes before it starts."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from idxbench.data.groundtruth import read_groundtruth
from idxbench.data.hdf5 import read_ann_benchmarks

K = 5


def vectors(n, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


ITEMS, QUERIES = vectors(300), vectors(40, seed=1)
HALF = vectors(6, seed=2).astype(float)
WEIGHT = HALF @ HALF.T


def scores(metric, items=ITEMS, queries=QUERIES):
    """Every score in float64, the obvious way."""
    b, q = items.astype(float), queries.astype(float)
    if metric == "l2":
        return -((q[:, None] - b[None]) ** 2).sum(axis=2)
    if metric == "dot":
        return q @ b.T
    weight = WEIGHT if metric == "covariance" else np.eye(6)
    sizes = [np.sqrt(np.einsum("ij,jk,ik->i", x, weight, x)) for x in (q, b)]
    return q @ weight @ b.T / np.outer(*sizes)


def neighbors(metric, k=K):
    return np.argsort(-scores(metric), axis=1, kind="stable")[:, :k]


@pytest.fixture
def truth(call, tmp_path):
    """Return a function that runs the command on the vectors above; arguments may repeat and override."""
    np.save(tmp_path / "items.npy", ITEMS)
    np.save(tmp_path / "queries.npy", QUERIES)
    np.save(tmp_path / "weight.npy", WEIGHT)

    def run(*arguments, code=0, items="items.npy", queries="queries.npy", k=K, metric="dot", out="x.ibin", **more):
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        given = ["--items", items, "--queries", queries, "-k", k, "--metric", metric, "--out", out, *arguments]
        done = call("truth", *given, code=code, **more)
        if code == 2:
            assert done.stdout == ""
            assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
            return " ".join(done.stderr.split())
        assert not list(tmp_path.glob(".*")), "no temporary file is left"
        return done

    return run


@pytest.mark.parametrize("metric", ["dot", "cosine", "l2", "covariance"])
def test_every_metric_against_the_obvious_way(truth, tmp_path, metric):
    weight = ["--weight", "weight.npy"] if metric == "covariance" else []
    done = truth(*weight, metric=metric, out="x.npz")
    assert re.fullmatch(
        r"300 items x 6 float32 .*, 40 queries: at most \d+ MiB of memory beside the files\n", done.stderr
    )
    written = read_groundtruth(tmp_path / "x.npz")
    np.testing.assert_array_equal(written.ids, neighbors(metric))
    best = np.take_along_axis(scores(metric), neighbors(metric), axis=1)
    distances = {"dot": -best, "l2": np.sqrt(np.maximum(-best, 0))}.get(metric, 1 - best)
    np.testing.assert_allclose(written.distances, distances, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("out", ["x.ivecs", "x.gt100", "x.hdf5", "x.parquet", "folder"])
def test_formats_are_read_back(truth, tmp_path, out):
    if out in ("x.parquet", "folder"):
        pytest.importorskip("pyarrow", reason="needs idxbench[parquet]")
    done = truth(out=out, metric="l2")
    read = read_groundtruth(tmp_path / out, n_queries=40)
    np.testing.assert_array_equal(read.ids, neighbors("l2"))
    assert f"exact top {K} by l2 of 40 queries among 300 items x 6" in done.stdout
    path = tmp_path / out
    size = sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(out))
    assert line.endswith(f"{size:,} bytes")


def test_the_truth_of_a_data_set_is_added_to_it_and_used(truth, call, tmp_path):
    """A written data set is one that this program reads, believes and grades against."""
    truth(out="whole.hdf5")
    dataset, trained_with = read_ann_benchmarks(tmp_path / "whole.hdf5")
    assert trained_with == "dot"
    np.testing.assert_array_equal(dataset.neighbors, neighbors("dot"))
    truth(items="whole.hdf5", queries="whole.hdf5", out="again.ibin")
    truth(out="direct.ibin")
    assert (tmp_path / "again.ibin").read_bytes() == (tmp_path / "direct.ibin").read_bytes()
    (tmp_path / "c.toml").write_text(
        'k = 5\ntasks = ["retrieve"]\n[data]\nitems = "whole.hdf5"\nqueries = "whole.hdf5"\n'
        'neighbors = "whole.hdf5"\ntrained_with = "dot"\n[[strategy]]\ntransform = "raw"\n'
        '[[index]]\nkind = "exact"\n[measure]\nrounds = 1\n'
    )
    assert "agree with exact search on 40 queries" in " ".join(call("run", "c.toml").stdout.split())


def test_arrays_by_name_and_any_number_of_threads(truth, tmp_path):
    np.savez(tmp_path / "both.npz", a=ITEMS, b=QUERIES)
    refused = truth(items="both.npz", queries="both.npz", code=2)
    assert refused.startswith("2 errors")
    named = ["--items-key", "a", "--queries-key", "b", "--threads"]
    for threads in ("1", "3"):
        done = truth(*named, threads, "--force", items="both.npz", queries="both.npz")
        assert f"on {threads} thread" in done.stdout
        np.testing.assert_array_equal(read_groundtruth(tmp_path / "x.ibin").ids, neighbors("dot"))


def test_k_up_to_the_number_of_items(truth, tmp_path):
    truth(k=300, out="all.ivecs")
    np.testing.assert_array_equal(read_groundtruth(tmp_path / "all.ivecs").ids, neighbors("dot", 300))
    said = truth(k=301, code=2)
    assert "-k expected: 1 to 300, the number of items in items.npy found: 301" in said
    assert "-k" in truth(k=0, code=2)


def test_nothing_is_overwritten_unasked(truth, tmp_path):
    (tmp_path / "x.ibin").write_text("mine")
    said = truth(code=2)
    assert "x.ibin" in said
    assert "--force" in said
    truth("--force")
    assert len(read_groundtruth(tmp_path / "x.ibin").ids) == 40


@pytest.mark.parametrize("out", ["items.npy", "queries.npy", "weight.npy"])
def test_what_is_read_is_not_written_even_by_force(truth, out):
    said = truth("--force", "--weight", "weight.npy", metric="covariance", out=out, code=2)
    assert "a file of its own" in said


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"metric": "angular"}, ["--metric", "dot, cosine, l2, covariance", "'angular'"]),
        ({"metric": "covariance"}, ["--weight", "with --metric covariance", "no --weight"]),
        ({"out": "x.txt"}, ["x.txt", ".ivecs", "a folder"]),
        ({"out": "nowhere/x.bin"}, ["nowhere/x.bin", "an existing folder"]),
        ({"items": "item.npy"}, ["item.npy", "did you mean items.npy?"]),
        ({"items": "a.npy", "queries": "b.npy"}, ["2 errors", "a.npy", "b.npy"]),
        ({"queries": "weight5.npy"}, ["weight5.npy", "6 dimensions, as the items in items.npy", "5 dimensions"]),
        ({"queries": "flat.npy"}, ["flat.npy", "a 2-D array"]),
    ],
)
def test_mistakes_are_told_before_the_work(truth, tmp_path, options, parts):
    np.save(tmp_path / "weight5.npy", np.eye(5))
    np.save(tmp_path / "flat.npy", np.ones(6))
    said = truth(**options, code=2)
    for part in parts:
        assert part in said


def test_a_weight_that_does_not_fit(truth, tmp_path):
    said = truth("--weight", "weight.npy", code=2)
    assert "weight.npy with --metric dot" in said
    np.save(tmp_path / "five.npy", np.eye(5))
    said = truth("--weight", "five.npy", metric="covariance", code=2)
    assert "five.npy expected: shape (6, 6) found: shape (5, 5)" in said
    np.save(tmp_path / "negative.npy", -np.eye(6))
    assert "positive semi-definite" in truth("--weight", "negative.npy", metric="covariance", code=2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("which", ["items", "queries"])
def test_rows_that_are_no_numbers_are_named(truth, tmp_path, which, bad):
    array = {"items": ITEMS, "queries": QUERIES}[which].copy()
    array[[7, 13], 2] = bad
    np.save(tmp_path / "bad.npy", array)
    said = truth(**{which: "bad.npy"}, code=2)
    assert f"bad.npy expected: finite numbers found: NaN or infinity in 2 of {len(array)} rows" in said
    assert "first in rows 7, 13" in said


def test_zero_rows_are_counted(truth, tmp_path):
    for name, array in (("items0", ITEMS), ("queries0", QUERIES)):
        np.save(tmp_path / f"{name}.npy", np.where(np.isin(np.arange(len(array)), [3, 5])[:, None], 0, array))
    said = " ".join(truth(items="items0.npy", queries="queries0.npy", metric="cosine").stdout.split())
    assert "2 of 40 queries are zero vectors (row 3, 5)" in said
    assert "2 of 300 items are zero vectors (row 3, 5): their cosine is 0" in said
    assert read_groundtruth(tmp_path / "x.ibin").ids[3].tolist() == [0, 1, 2, 3, 4]
    assert "zero" not in truth("--force", items="items0.npy", queries="queries0.npy", metric="l2").stdout


def test_large_values_fit_ids_and_not_distances(truth, tmp_path):
    np.save(tmp_path / "huge.npy", ITEMS.astype(float) * 1e38)
    np.save(tmp_path / "asking.npy", QUERIES.astype(float) * 1e30)
    said = truth(items="huge.npy", queries="asking.npy", out="x.bin", code=2)
    assert "values up to 3.4e38" in said
    assert ".ivecs" in said
    truth(items="huge.npy", queries="asking.npy", out="x.ivecs")
    np.testing.assert_array_equal(read_groundtruth(tmp_path / "x.ivecs").ids, neighbors("dot"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root can't write to")
def test_an_unwritable_folder(truth):
    said = truth(out="/proc/x.ibin", code=2)
    assert "/proc/x.ibin expected: a folder this user can write to" in said


@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_interrupted_while_writing(truth, tmp_path, signal, code):
    """Told to stop in the middle of the file: it is not there, nor is half of it."""
    (tmp_path / "stop").mkdir()
    (tmp_path / "stop" / "sitecustomize.py").write_text(
        "import os, signal, time, numpy\n"
        "def savez(file, **arrays):\n"
        f"    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.{signal}); time.sleep(60)\n"
        "numpy.savez = savez\n"
    )
    (tmp_path / "x.npz").write_text("before")
    path = os.pathsep.join([str(tmp_path / "stop"), os.environ.get("PYTHONPATH", "")])
    truth("--force", out="x.npz", code=code, PYTHONPATH=path)
    assert (tmp_path / "x.npz").read_text() == "before"


def test_help_says_what_every_format_holds(call):
    said = call("truth", "--help").stdout
    for word in (".ivecs", ".ibin", ".npy", ".bin", ".npz", ".hdf5", ".parquet", "covariance", "--threads", "--force"):
        assert word in said
