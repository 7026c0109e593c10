"""From the table ``[data]`` to vectors."""

import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest

from idxbench.config.load import parse_config
from idxbench.data.load import hold_out, load, sample_queries
from idxbench.errors import DataError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def loaded(tmp_path, **table):
    return load(parse_config({"data": table}, base=tmp_path).data, tmp_path / "cache")


def test_built_in_sources(tmp_path):
    assert loaded(tmp_path, source="digits").dataset.items.shape == (1797, 64)
    data = loaded(tmp_path, source="gaussian", n_items=50, n_queries=7, n_dims=3, clusters=2)
    assert (data.dataset.items.shape, data.dataset.queries.shape, data.towers) == ((50, 3), (7, 3), 2)
    data = loaded(tmp_path, source="simulated", n_users=300, n_items=60, n_clusters=3, rank=8, objective=1)
    assert (data.dataset.items.shape, data.dataset.queries.shape) == ((60, 8), (300, 8))
    assert len(data.dataset.labels.names) == 3
    assert data.trained_with == "dot"


def test_ratings_with_labels_by_catalogue_row(tmp_path):
    rng = np.random.default_rng(0)
    user, item = np.divmod(rng.choice(40 * 30, 500, replace=False), 30)
    item = np.where(item >= 10, item + 5, item)  # nobody rated 10 to 14
    np.savez(tmp_path / "r.npz", user=user, item=item, rating=rng.integers(1, 6, 500).astype("f4"))
    (tmp_path / "l.tsv").write_text("label\n" + "\n".join(f"c{i % 3}" for i in range(35)) + "\n")
    data = loaded(tmp_path, source="factorized", ratings="r.npz", rank=5, labels="l.tsv")
    rated = np.unique(item)
    assert data.dataset.items.shape == (len(rated), 5)
    assert [data.dataset.labels.names[c] for c in data.dataset.labels.codes] == [f"c{i % 3}" for i in rated]
    assert "labels-by-id" in {notice.code for notice in data.dataset.notices}


def test_files_with_keys(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.ones((4, 2)), b=np.zeros((3, 2)), c=np.array(["x", "y", "x", "x"]))
    file = str(tmp_path / "x.npz")
    data = loaded(
        tmp_path,
        items={"path": file, "key": "a"},
        queries={"path": file, "key": "b"},
        labels={"path": file, "key": "c"},
    ).dataset
    assert data.items.shape == (4, 2)
    assert data.queries.shape == (3, 2)
    assert data.labels.codes.tolist() == [0, 1, 0, 0]


def test_holding_out_is_disjoint_ordered_and_repeatable(tmp_path):
    data = loaded(tmp_path, source="digits").dataset
    split = hold_out(data, 100, seed=3)
    rows = {row.tobytes() for row in split.queries}
    assert (len(split.items), len(split.queries)) == (1697, 100)
    assert len(split.labels.codes) == 1697
    assert len(split.query_labels.codes) == 100
    assert rows <= {row.tobytes() for row in data.items}
    np.testing.assert_array_equal(split.queries, hold_out(data, 100, seed=3).queries)
    assert not np.array_equal(split.queries, hold_out(data, 100, seed=4).queries)
    # What was taken out is asked with its own label.
    where = [int(np.flatnonzero((data.items == row).all(axis=1))[0]) for row in split.queries]
    assert where == sorted(where)
    np.testing.assert_array_equal(data.labels.codes[where], split.query_labels.codes)
    with pytest.raises(DataError, match="fewer than the 1797 items"):
        hold_out(data, 1797, seed=0)


def test_sampled_queries_keep_their_labels_and_neighbours(tmp_path):
    data = hold_out(loaded(tmp_path, source="digits").dataset, 100, seed=0)
    few, rows = sample_queries(data, 10, seed=0)
    np.testing.assert_array_equal(few.queries, data.queries[rows])
    np.testing.assert_array_equal(few.query_labels.codes, data.query_labels.codes[rows])
    same, rows = sample_queries(data, 0, seed=0)
    assert same is data
    assert len(rows) == 100


@pytest.fixture
def server(tmp_path):
    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "www"))

        def log_message(self, *arguments):
            pass

    (tmp_path / "www").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_ann_benchmarks_by_name(tmp_path, server):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "www" / "tiny-4-angular.hdf5", "w") as file:
        file["train"], file["test"] = rng.normal(size=(50, 4)).astype("f4"), rng.normal(size=(6, 4)).astype("f4")
        file["neighbors"] = np.zeros((6, 10), "i4")
        file.attrs["distance"] = "angular"
    digest = hashlib.sha256((tmp_path / "www" / "tiny-4-angular.hdf5").read_bytes()).hexdigest()
    table = {"source": "ann-benchmarks", "name": "tiny-4-angular", "base_url": server, "sha256": digest}
    data = loaded(tmp_path, **table)
    assert data.dataset.items.shape == (50, 4)
    assert data.dataset.neighbors.shape == (6, 10)
    assert data.trained_with == "cosine"
    assert (tmp_path / "cache" / "ann-benchmarks" / "tiny-4-angular.hdf5").is_file()
    with pytest.raises(DataError, match="SHA-256"):
        loaded(tmp_path, **(table | {"sha256": "0" * 64, "cache_dir": str(tmp_path / "other")}))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")
def test_real_labels_and_vectors():
    data = load(
        parse_config(
            {
                "data": {
                    "items": str(SHARED / "debian-minilm/vectors.npy"),
                    "labels": {"path": str(SHARED / "debian-minilm/labels.tsv"), "key": "section"},
                }
            }
        ).data,
        Path(),
    )
    assert data.dataset.items.shape == (12000, 384)
    assert len(data.dataset.labels.names) == 28
