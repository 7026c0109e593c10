from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from idxbench.data.sources.factorized import factorized
from idxbench.data.sources.ratings import read_ratings
from idxbench.errors import DataError
from idxbench.models.factorization import factorize
from idxbench.models.preparation import prepare

MOVIELENS = Path(__file__).parents[3] / "shared" / "data" / "ml-latest-small" / "ml_latest_small.npz"

# Users 3 and 10, items 5, 7 and 20; item 5 rated by both.
HEADER = "userId,movieId,rating,timestamp"
ROWS = ["10,5,4.0,1", "3,20,1.5,2", "3,5,2.0,3", "10,7,5.0,4"]
DENSE = np.array([[2.0, 0.0, 1.5], [4.0, 5.0, 0.0]])


def write_csv(path, rows=tuple(ROWS), header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def write_npz(path, **arrays):
    table = {"user": [10, 3, 3, 10], "item": [5, 20, 5, 7], "rating": [4.0, 1.5, 2.0, 5.0], **arrays}
    np.savez(path, **{name: np.asarray(values) for name, values in table.items() if values is not None})
    return path


def dense(table):
    out = np.zeros((len(table.user_ids), len(table.item_ids)))
    out[table.users, table.items] = table.values
    return out


def test_csv_and_npz_by_hand(tmp_path):
    for path in (write_csv(tmp_path / "r.csv"), write_npz(tmp_path / "r.npz")):
        table = read_ratings(path)
        assert table.user_ids.tolist() == [3, 10]
        assert table.item_ids.tolist() == [5, 7, 20]
        assert table.item_ids.dtype == np.int64
        assert np.array_equal(dense(table), DENSE)
        assert table.n_repeated == 0


@pytest.mark.parametrize("header", ["user,item,rating,x", "user_id,item_id,rating,x", " userId , itemId , rating ,x"])
def test_names_of_columns(tmp_path, header):
    assert np.array_equal(dense(read_ratings(write_csv(tmp_path / "r.csv", header=header))), DENSE)


def test_order_of_columns_quotes_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text('\ufeffnote,rating,item,user\n"a, b",4.0,5,10\n\n"c",2,"5",3\n', encoding="utf-8")
    assert dense(read_ratings(path)).tolist() == [[2.0], [4.0]]


def test_text_ids(tmp_path):
    table = read_ratings(write_csv(tmp_path / "r.csv", ["bo,x1,1,0", "al,x1,2,0", "bo,007,3,0", "bo,7,4,0"]))
    assert table.user_ids.tolist() == ["al", "bo"]
    # 007 and 7 are different ids, so none of the column is read as a number.
    assert table.item_ids.tolist() == ["007", "7", "x1"]
    padded = read_ratings(write_csv(tmp_path / "p.csv", ["1,007,3,0", "1,7,4,0"]))
    assert padded.item_ids.tolist() == ["007", "7"]
    data, item_ids, user_ids = factorized(tmp_path / "r.csv", rank=1)
    assert item_ids is None
    assert user_ids is None
    assert data.items.shape == (3, 1)
    names = write_npz(tmp_path / "t.npz", user=np.array(["b", "a", "a", "b"]))
    assert read_ratings(names).user_ids.tolist() == ["a", "b"]


def test_negative_and_huge_ids(tmp_path):
    table = read_ratings(write_csv(tmp_path / "r.csv", [f"-5,{10**17},1,0", "5,3,2,0"]))
    assert table.user_ids.tolist() == [-5, 5]
    assert table.item_ids.tolist() == [3, 10**17]
    # Too long for 64 bits: text, and nothing is lost.
    table = read_ratings(write_csv(tmp_path / "r.csv", [f"-5,{10**25},1,0", "5,3,2,0"]))
    assert table.item_ids.tolist() == [str(10**25), "3"]


def test_repeated_ratings_count_once_with_their_mean_and_are_told(tmp_path):
    rows = [*ROWS, "10,5,1.0,9", "10,5,1.0,9"]
    table = read_ratings(write_csv(tmp_path / "r.csv", rows))
    # Item 5 of user 10: (4 + 1 + 1) / 3.
    assert dense(table)[1, 0] == 2.0
    assert table.n_repeated == 2
    data, _, _ = factorized(tmp_path / "r.csv", rank=2)
    (notice,) = data.notices
    assert notice.code == "repeated-ratings"
    assert notice.text.startswith("2 ratings repeat a user and item")


def test_factors_by_the_models_own_hand(tmp_path):
    path = write_npz(tmp_path / "small.npz")
    data, item_ids, user_ids = factorized(path, rank=2, regularization=3.0)
    model = factorize(DENSE, 2, regularization=3.0)
    np.testing.assert_allclose(data.items, model.items, rtol=1e-6)
    np.testing.assert_allclose(data.queries, model.users, rtol=1e-6)
    assert (data.items.dtype, data.queries.dtype) == (np.float32, np.float32)
    assert data.name == "small-objective1"
    assert item_ids.tolist() == [5, 7, 20]
    assert user_ids.tolist() == [3, 10]
    assert data.notices == ()


def test_global_centring_by_hand(tmp_path):
    # The mean of 4, 1.5, 2 and 5 is 3.125; what was not rated stays at 0.
    data, _, _ = factorized(write_npz(tmp_path / "r.npz"), rank=2, regularization=0.0, center="global")
    expected = np.array([[-1.125, 0, -1.625], [0.875, 1.875, 0]])
    np.testing.assert_allclose(data.queries @ data.items.T, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("objective", "center", "expected"),
    [(1, "none", 10_000.0), (1, "global", 1_000.0), (2, "none", 50.0), (2, "global", 20.0)],
)
def test_default_regularization(tmp_path, objective, center, expected):
    path = write_npz(tmp_path / "r.npz", rating=[400.0, 150.0, 200.0, 500.0])
    default, _, _ = factorized(path, rank=2, objective=objective, center=center)
    stated, _, _ = factorized(path, rank=2, objective=objective, center=center, regularization=expected)
    other, _, _ = factorized(path, rank=2, objective=objective, center=center, regularization=expected * 2)
    assert np.array_equal(default.items, stated.items)
    assert not np.array_equal(default.items, other.items)


def test_refuses_what_regularizes_everything_away(tmp_path):
    with pytest.raises(DataError, match="leaves every dimension at zero"):
        factorized(write_npz(tmp_path / "r.npz"), rank=2, objective=2)


def test_some_zero_dimensions_are_told(tmp_path):
    s = np.linalg.svd(DENSE, compute_uv=False)
    data, _, _ = factorized(write_npz(tmp_path / "r.npz"), rank=2, objective=2, regularization=float(s.mean()))
    assert [notice.code for notice in data.notices] == ["zero-dimensions"]


def test_refuses_a_rank_above_users_or_items(tmp_path):
    with pytest.raises(DataError, match=r"r\.npz: rank\n  expected: at most 2, with 2 users and 3 items"):
        factorized(write_npz(tmp_path / "r.npz"), rank=3)


def test_refuses_an_unknown_centring(tmp_path):
    with pytest.raises(DataError, match="none or global"):
        factorized(write_npz(tmp_path / "r.npz"), rank=1, center="user")


def test_refuses_ratings_that_are_not_finite_and_names_their_rows(tmp_path):
    path = write_csv(tmp_path / "r.csv", ["1,1,4,0", "1,2,nan,0", "2,1,inf,0"])
    with pytest.raises(DataError, match=r"ratings at row 1 \(nan\), 2 \(inf\), counting from 0"):
        read_ratings(path)
    many = write_npz(tmp_path / "r.npz", user=np.arange(9), item=np.arange(9), rating=np.full(9, np.nan))
    with pytest.raises(DataError, match=r"row 0 \(nan\), .*4 \(nan\) and 4 more"):
        read_ratings(many)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (ROWS, "userId,film,rating,x", "the columns item or itemId or item_id or movieId or movie_id"),
        (["1,2,good,0"], HEADER, "line 2: rating\n  expected: a number\n  found:    'good'"),
        (["1,2,3,0", "1,2"], HEADER, "line 3\n  expected: 4 fields\n  found:    2 fields"),
        ([], HEADER, "at least one rating"),
    ],
)
def test_refuses_broken_csv(tmp_path, rows, header, message):
    with pytest.raises(DataError, match=message):
        read_ratings(write_csv(tmp_path / "r.csv", rows, header))


def test_refuses_csv_that_is_no_text(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes(b"user,item,rating\n\xff\xfe,1,2\n")
    with pytest.raises(DataError, match="a CSV table in UTF-8"):
        read_ratings(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="no columns"):
        read_ratings(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"user": None}, "the columns user or userId or user_id"),
        ({"rating": [1.0, 2.0]}, r"arrays of one length\n  found:    user \(4,\), item \(4,\), rating \(2,\)"),
        ({"user": [1.0, 2.0, 3.0, 4.0]}, "user\n  expected: integers or text\n  found:    type float64"),
        ({"rating": ["a", "b", "c", "d"]}, "rating\n  expected: numbers"),
        ({"user": [], "item": [], "rating": []}, "expected: "),
        ({"user": np.array([1, "a", None, 2], dtype=object)}, "without Python objects"),
        ({"user": np.array([1, 2, 3, 2**63], dtype=np.uint64)}, "ids below 2\\^63"),
    ],
)
def test_refuses_broken_npz(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        read_ratings(write_npz(tmp_path / "r.npz", **arrays))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 torn"])
def test_refuses_what_is_no_archive(tmp_path, content):
    path = tmp_path / "r.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"an \.npz archive of plain arrays"):
        read_ratings(path)


def test_refuses_an_array_that_is_no_archive(tmp_path):
    np.save(tmp_path / "r.npy", np.ones(3))
    (tmp_path / "r.npy").rename(tmp_path / "r.npz")
    with pytest.raises(DataError, match=r"an \.npz archive of plain arrays"):
        read_ratings(tmp_path / "r.npz")


def test_refuses_missing_files_and_other_kinds(tmp_path):
    for name in ("r.npz", "r.csv"):
        with pytest.raises(DataError, match=r"a readable ratings table\n  found:    No such file"):
            read_ratings(tmp_path / name)
    with pytest.raises(DataError, match=r"ending in \.npz or \.csv"):
        read_ratings(tmp_path / "r.parquet")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4), st.integers(0, 10)), min_size=1, max_size=25))
def test_csv_reads_as_npz_and_as_a_dictionary(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("ratings")
    table = read_ratings(write_csv(folder / "r.csv", [f"{u},{i},{r / 2},0" for u, i, r in rows]))
    user, item, rating = np.array(rows).T
    other = read_ratings(write_npz(folder / "r.npz", user=user, item=item, rating=rating / 2))
    expected = {}
    for u, i, r in rows:
        expected.setdefault((u, i), []).append(r / 2)
    for one in (table, other):
        pairs = zip(one.user_ids[one.users].tolist(), one.item_ids[one.items].tolist(), one.values, strict=True)
        assert {(u, i): v for u, i, v in pairs} == pytest.approx({key: np.mean(v) for key, v in expected.items()})
        assert one.n_repeated == len(rows) - len(expected)


@pytest.fixture(scope="module")
def movielens():
    if not MOVIELENS.is_file():
        pytest.skip(f"MovieLens is not at {MOVIELENS}")
    with np.load(MOVIELENS) as archive:
        return {name: archive[name] for name in ("user", "item", "rating")}


@pytest.mark.parametrize(("objective", "expected"), [(1, 0.33), (2, 0.33)])
def test_defaults_leave_movielens_useful(movielens, tmp_path, objective, expected):
    # Recall@20 of held-out ratings of 4 and more; the most popular films alone reach about .2.
    held_out = np.random.default_rng(0).random(len(movielens["rating"])) < 0.2
    path = write_npz(tmp_path / "train.npz", **{name: values[~held_out] for name, values in movielens.items()})
    data, item_ids, user_ids = factorized(path, objective=objective)
    assert data.notices == ()
    assert data.items.shape == (len(item_ids), 50)
    scores = data.queries @ data.items.T
    train = read_ratings(path)
    scores[train.users, train.items] = -np.inf
    top = np.argpartition(-scores, 20, axis=1)[:, :20]
    good = held_out & (movielens["rating"] >= 4) & np.isin(movielens["item"], item_ids)
    hits = wanted = 0
    for u, user in enumerate(user_ids):
        liked = np.searchsorted(item_ids, movielens["item"][good & (movielens["user"] == user)])
        hits += len(np.intersect1d(top[u], liked))
        wanted += min(20, len(liked))
    assert hits / wanted == pytest.approx(expected, abs=0.015)


def test_preparation_of_ratings(tmp_path):
    path = write_npz(tmp_path / "small.npz")
    X = csr_array(DENSE)
    for way in ({"weighting": "popularity"}, {"standardize": True}):
        data, _, _ = factorized(path, rank=2, regularization=1.0, **way)
        model = factorize(prepare(X, **way), 2, regularization=1.0)
        np.testing.assert_allclose(data.items, model.items, rtol=1e-6, atol=1e-7)
