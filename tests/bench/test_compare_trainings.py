"""Planted changes between two trainings: each must show in the figures it belongs to, and in no other."""

from pathlib import Path

import numpy as np
import pytest

from idxbench.bench.compare_trainings import compare_trainings
from idxbench.bench.trainings_files import TrainingFiles, TrainingsRequest, read_trainings
from idxbench.errors import ConfigError, DataError
from idxbench.verdicts.trainings import judge_trainings
from tests.reference import measures as twin

N, Q, D = 600, 300, 8
RATINGS = Path(__file__).resolve().parents[2] / "../shared/data/ml-latest-small/ml_latest_small.npz"
SCORE = ("raw", "dot")
RAW, INVARIANT = ("raw", "cosine"), ("score_corr", "cosine")


def a_model(seed=0):
    """Items in clusters, which have neighbours worth the name, and queries of their own."""
    rng = np.random.default_rng(seed)
    centers = 2 * rng.normal(size=(8, D))
    return centers[rng.integers(0, 8, N)] + rng.normal(size=(N, D)), rng.normal(size=(Q, D))


ITEMS, QUERIES = a_model()
TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))[0]
SCALES = 10 ** np.random.default_rng(2).uniform(-1, 1, D)
MIX = np.random.default_rng(3).normal(size=(D, D))
SHUFFLE = np.random.default_rng(4).permutation(N)


@pytest.fixture
def compared(tmp_path):
    """Return a function that saves a second training in float32, and compares the first with it."""

    def run(items, queries=None, *, base=(ITEMS, QUERIES), ids=(), **options):
        files = []
        for name, (b, p) in {"base": base, "new": (items, queries)}.items():
            np.save(tmp_path / f"{name}.npy", np.asarray(b, np.float32))
            if queries is not None:
                np.save(tmp_path / f"{name}_q.npy", np.asarray(p, np.float32))
            if ids:
                np.save(tmp_path / f"{name}_ids.npy", ids[len(files)])
            files.append(
                TrainingFiles(
                    tmp_path / f"{name}.npy",
                    None if queries is None else tmp_path / f"{name}_q.npy",
                    tmp_path / f"{name}_ids.npy" if ids else None,
                )
            )
        return compare_trainings(TrainingsRequest(*files, **({"clusters": 8, "threads": 2} | options)))

    return run


def test_the_same_vectors(compared):
    found = compared(ITEMS, QUERIES)
    for metric, place in (("neighbor_overlap", RAW), ("neighbor_overlap", INVARIANT), ("topk_overlap", SCORE)):
        assert found.value(metric, *place) == 1.0
    assert found.value("score_change", *SCORE) == 0.0
    assert max(found.value("cluster_drift", *place) for place in (RAW, INVARIANT)) < 1e-12
    assert judge_trainings(found).code == "nothing-moved"


def test_a_rotation_keeps_raw_neighbours_and_clusters(compared):
    found = compared(ITEMS @ TURN, QUERIES @ TURN)
    assert found.value("neighbor_overlap", *RAW) > 0.999
    assert found.value("neighbor_overlap", "raw", "dot") > 0.999
    assert found.value("cluster_drift", *RAW) < 1e-3
    assert found.value("rotation_residual") < 1e-10
    assert judge_trainings(found).code == "only-rotation"


@pytest.mark.parametrize(
    ("items", "queries"), [(ITEMS * SCALES, QUERIES / SCALES), (ITEMS @ np.linalg.inv(MIX).T, QUERIES @ MIX)]
)
def test_a_gauge_moves_raw_neighbours_alone(compared, items, queries):
    found = compared(items, queries)
    assert found.value("neighbor_overlap", *RAW) < 0.6
    assert found.value("neighbor_overlap", *INVARIANT) > 0.995
    assert found.value("score_spearman", *SCORE) == pytest.approx(1, abs=1e-5)
    assert found.value("score_change", *SCORE) < 1e-5
    assert found.value("cluster_drift", *INVARIANT) < 0.02
    assert found.value("gauge_imbalance", "new", "", "") > 2 * found.value("gauge_imbalance", "base", "", "")
    verdict = judge_trainings(found)
    assert verdict.code == "mostly-gauge"
    assert "every score is kept" in verdict.sentence


def test_a_common_shift_keeps_rankings(compared):
    found = compared(ITEMS + 5, QUERIES)
    assert found.value("neighbor_overlap", *RAW) < 0.8
    assert found.value("neighbor_overlap", *INVARIANT) > 0.995
    verdict = judge_trainings(found)
    assert verdict.code == "mostly-gauge"
    assert "one vector was added to all items, rankings are kept" in verdict.sentence


@pytest.mark.parametrize(("items", "queries"), [(ITEMS[SHUFFLE], QUERIES), a_model(9)])
def test_shuffled_rows_and_another_model_show_all_drift(compared, items, queries):
    found = compared(items, queries)
    chance = found.value("neighbor_overlap", *RAW, "chance")
    assert chance == 10 / (N - 1)
    for place in (RAW, INVARIANT):
        assert found.value("neighbor_overlap", *place) < 3 * chance
        assert found.value("cluster_drift", *place) > 0.95
    assert abs(found.value("score_spearman", *SCORE)) < 0.1
    assert found.value("neighbor_overlap", *INVARIANT, "floor") > 0.6
    residuals = [found.value("rotation_residual", reference=name) for name in ("base", "chance")]
    assert residuals[0] == pytest.approx(residuals[1], abs=0.2)
    assert judge_trainings(found).code == "model-moved"


def test_shuffled_rows_with_their_ids_are_no_drift(compared):
    found = compared(ITEMS[SHUFFLE], QUERIES, ids=(np.arange(N), SHUFFLE))
    assert found.value("vector_change") == 0.0
    assert judge_trainings(found).code == "nothing-moved"


def test_other_queries_of_the_same_items(compared):
    found = compared(ITEMS, a_model(9)[1])
    verdict = judge_trainings(found)
    assert verdict.code == "model-moved"
    assert "its items are the same, but scores of shared queries are not kept" in verdict.sentence


def test_without_queries_a_gauge_can_not_be_told(compared):
    found = compared(ITEMS * SCALES)
    assert found.queries is None
    assert found.of("score_spearman", *SCORE) is None
    assert judge_trainings(found).code == "no-queries"
    assert judge_trainings(compared(ITEMS @ TURN)).code == "only-rotation"


@pytest.mark.parametrize("options", [{"trained_with": "cosine"}, {"trained_with": "l2"}, {"towers": 1}])
def test_models_that_determine_their_own_similarity_need_no_queries(compared, options):
    noise = np.random.default_rng(8).normal(size=ITEMS.shape)
    assert judge_trainings(compared(ITEMS + 0.01 * noise, **options)).code == "nothing-moved"
    assert judge_trainings(compared(ITEMS * SCALES, **options)).code == "model-moved"


def test_norms_mean_nothing_to_a_cosine_model(compared):
    lengths = 10 ** np.random.default_rng(5).uniform(-1, 1, (N, 1))
    found = compared(ITEMS * lengths, QUERIES, trained_with="cosine")
    assert judge_trainings(found).code == "nothing-moved"
    assert found.of("neighbor_overlap", *INVARIANT) is None
    assert judge_trainings(compared(ITEMS * lengths, QUERIES)).code == "model-moved"


def test_overlaps_agree_with_a_slow_twin(compared):
    noisy = ITEMS + np.random.default_rng(6).normal(size=ITEMS.shape)
    found = compared(noisy, QUERIES, k=7)

    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def near(x, y=None):
        scores = unit(x) @ unit(x).T if y is None else x @ y.T
        return twin.exclude_self(np.argsort(-scores, axis=1), np.arange(N), 7)

    wanted = np.mean(twin.overlap(near(ITEMS), near(noisy)))
    assert found.value("neighbor_overlap", *RAW) == pytest.approx(wanted, abs=1e-3)
    # Under dot few items come first among their own neighbours: they are left out by id.
    wanted = np.mean(twin.overlap(near(ITEMS, ITEMS), near(noisy, noisy)))
    assert found.value("neighbor_overlap", "raw", "dot") == pytest.approx(wanted, abs=1e-3)
    tops = [np.argsort(-(QUERIES @ b.T), axis=1)[:, :7] for b in (ITEMS, noisy)]
    assert found.value("topk_overlap", *SCORE) == pytest.approx(np.mean(twin.overlap(*tops)), abs=1e-3)

    def correlated(items):
        """score_corr without shrinkage: the correlation of row-standardised scores."""
        scores = QUERIES @ (items - items.mean(axis=0)).T
        standard = np.corrcoef((scores / scores.std(axis=1, keepdims=True)).T)
        return twin.exclude_self(np.argsort(-standard, axis=1)[:, :8], np.arange(N), 7)

    plain = np.mean(twin.overlap(correlated(ITEMS), correlated(noisy)))
    assert found.value("neighbor_overlap", *INVARIANT) == pytest.approx(plain, abs=0.05)


def test_threads_change_nothing(compared):
    one, two = (compared(ITEMS * SCALES, QUERIES / SCALES, threads=threads).rows for threads in (1, 2))
    assert [row.metric for row in one] == [row.metric for row in two]
    assert [row.value for row in one] == pytest.approx([row.value for row in two], rel=1e-12, nan_ok=True)


def test_few_items_cut_the_depth_and_leave_clusters_out(compared):
    found = compared(ITEMS[:5], QUERIES[:3], base=(ITEMS[:5], QUERIES[:3]))
    assert found.k == 4
    assert {notice.code for notice in found.notices} == {"depth-cut", "clusters-left-out", "too-few-queries"}
    assert found.of("cluster_drift", *RAW) is None
    assert judge_trainings(found).code == "nothing-moved"


def test_widths_may_differ(compared):
    wide = np.c_[ITEMS, np.zeros((N, 2))]
    mixed = np.linalg.qr(np.random.default_rng(7).normal(size=(D + 2, D + 2)))[0]
    found = compared(wide @ mixed, np.c_[QUERIES, np.zeros((Q, 2))] @ mixed)
    assert found.n_dims == (D, D + 2)
    assert judge_trainings(found).code == "only-rotation"


def test_disjoint_queries_still_give_score_corr(tmp_path):
    for name, array in {"b": ITEMS, "n": ITEMS * SCALES, "bq": QUERIES[:150], "nq": QUERIES[150:] / SCALES}.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "b.txt").write_text("".join(f"{i}\n" for i in range(150)))
    (tmp_path / "n.txt").write_text("".join(f"{i}\n" for i in range(150, 300)))
    files = [
        TrainingFiles(tmp_path / f"{s}.npy", tmp_path / f"{s}q.npy", None, tmp_path / f"{s}.txt") for s in ("b", "n")
    ]
    found = compare_trainings(TrainingsRequest(*files, clusters=8, threads=2))
    assert [notice.code for notice in found.notices] == ["no-shared-queries"]
    assert found.of("score_spearman", *SCORE) is None
    # Half as many queries again: the same model, and as far apart as halves are.
    value, floor = (found.value("neighbor_overlap", *INVARIANT, name) for name in ("base", "floor"))
    assert 0.5 < floor < value < 0.95
    assert judge_trainings(found).code == "mostly-gauge"


def test_queries_are_joined_by_their_ids(tmp_path):
    order = np.random.default_rng(9).permutation(Q)[:250]
    moved = ITEMS + 0.05 * np.random.default_rng(8).normal(size=ITEMS.shape)
    for name, array in {"b": ITEMS, "n": moved, "bq": QUERIES, "nq": QUERIES[order], "bi": np.arange(Q)}.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "ni.npy", order)
    files = [
        TrainingFiles(tmp_path / f"{s}.npy", tmp_path / f"{s}q.npy", None, tmp_path / f"{s}i.npy") for s in ("b", "n")
    ]
    found = compare_trainings(TrainingsRequest(*files, clusters=8, threads=2))
    assert (found.queries.n_joined, found.queries.n_lost, found.queries.n_added) == (250, 50, 0)
    assert found.value("score_spearman", *SCORE) > 0.99


def test_zero_rows_are_counted(compared):
    items = ITEMS.copy()
    items[[3, 5]] = 0
    assert [notice.code for notice in compared(items, QUERIES).notices] == ["zero-items"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"trained_with": "angular"}, r"--trained-with"),
        ({"towers": 3}, "--towers"),
        ({"new": TrainingFiles(Path("b.npy"), Path("q.npy"))}, "--base-queries"),
        ({"new": TrainingFiles(Path("b.npy"), None, Path("i.txt"))}, "--base-ids"),
    ],
)
def test_options_that_can_not_be(change, expected):
    request = {"base": TrainingFiles(Path("a.npy")), "new": TrainingFiles(Path("b.npy"))} | change
    with pytest.raises(ConfigError, match=expected):
        read_trainings(TrainingsRequest(**request))


def test_values_that_are_no_numbers(compared):
    items = ITEMS.copy()
    items[7, 2] = np.nan
    with pytest.raises(DataError, match=r"(?s)new\.npy.*NaN or infinity in 1 of 600 rows, first in rows 7"):
        compared(items, QUERIES)


def test_nothing_in_common(compared):
    with pytest.raises(DataError, match=r"(?s)at least 2 items with the same id.*0 of 600 and 600"):
        compared(ITEMS, QUERIES, ids=(np.arange(N), np.arange(N) + N))


@pytest.mark.skipif(not RATINGS.is_file(), reason=f"the real ratings in {RATINGS} are absent")
class TestMovieLens:
    def model(self, mask=None, **options):
        from scipy.sparse import csr_array

        from idxbench.data.sources.ratings import read_ratings
        from idxbench.models.factorization import factorize

        table = read_ratings(RATINGS)
        mask = np.ones(len(table.values), bool) if mask is None else mask(len(table.values))
        shape = (len(table.user_ids), len(table.item_ids))
        X = csr_array((table.values[mask], (table.users[mask], table.items[mask])), shape=shape)
        popular = np.flatnonzero(np.bincount(table.items, minlength=shape[1]) >= 20)
        found = factorize(X.tocsc()[:, popular], 50, **options)
        return found.items, found.users

    def test_one_objective_in_two_gauges(self, compared):
        base = self.model(objective=1, regularization=1e4)
        new = self.model(objective=1, regularization=1e4, gauge=10 ** np.random.default_rng(0).uniform(-1, 1, 50))
        found = compared(*new, base=base, clusters=20)
        assert found.value("neighbor_overlap", *RAW) < 0.6
        assert found.value("neighbor_overlap", *INVARIANT) > 0.995
        assert judge_trainings(found).code == "mostly-gauge"

    def test_two_halves_of_the_ratings(self, compared):
        def half(n):
            return np.random.default_rng(0).random(n) < 0.5

        base = self.model(half, objective=1, regularization=1e4)
        new = self.model(lambda n: ~half(n), objective=2, regularization=50.0)
        found = compared(*new, base=base, clusters=20)
        assert found.value("neighbor_overlap", *INVARIANT) < 0.3
        assert found.value("neighbor_overlap", *INVARIANT, "floor") > 0.5
        assert judge_trainings(found).code == "model-moved"
