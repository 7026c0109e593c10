"""``learned``: its closed form against the problem it solves, planted weights, and files that don't fit."""

import numpy as np
import pytest

from idxbench import transform
from idxbench.errors import DataError
from idxbench.strategies.learned import fit_weights, weighted_cosine


def cosine(a, b):
    return np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def planted(seed=0, n=400, n_items=300, d=6):
    """Items, and pairs graded by a cosine that sees the last three of six alike axes only."""
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(n_items, d)) * np.array([3.0, 2.5, 2.2, 1.9, 1.6, 1.3])
    ids = rng.integers(0, n_items, (n, 2))
    grades = cosine(items[ids[:, 0], 3:], items[ids[:, 1], 3:])
    return items, ids, grades


def save(path, ids, grades=None):
    columns = ids if grades is None else np.column_stack([ids.astype(object), grades])
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in columns), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("strength", [1e-3, 0.1, 10.0])
def test_the_closed_form_minimises_what_it_says(strength):
    from scipy.optimize import minimize

    rng = np.random.default_rng(2)
    products = rng.normal(size=(40, 5)) * [3, 1, 1, 0.5, 0.1]
    grades = products @ [1.0, 2.0, 0.5, 1.5, 1.0] + rng.normal(size=40)
    variation = products.var(axis=0).mean() * 40

    def loss(m):
        gap = (grades - grades.mean()) - (products - products.mean(axis=0)) @ m
        return gap @ gap + strength * variation * ((m - m.mean()) ** 2).sum()

    best = minimize(loss, np.ones(5), tol=1e-14, options={"gtol": 1e-10}).x
    assert (best > 0).all()
    (weights,) = fit_weights(products, grades, [strength])
    assert weights == pytest.approx(best / best.mean(), rel=1e-4)


def test_units_of_grades_and_vectors_change_nothing():
    rng = np.random.default_rng(3)
    products, grades = rng.normal(size=(50, 4)), rng.normal(size=50)
    grades += products.sum(axis=1)
    (one,) = fit_weights(products, grades, [0.5])
    (other,) = fit_weights(1e-6 * products, 1e5 * grades + 3.0, [0.5])
    assert other == pytest.approx(one, rel=1e-9)


def test_strong_regularization_and_pairs_that_say_the_opposite_leave_cosine():
    rng = np.random.default_rng(4)
    products = rng.normal(size=(50, 4))
    strong, opposite = (fit_weights(products, sign * products.sum(axis=1), [1e9])[0] for sign in (1, -1))
    assert strong == pytest.approx(np.ones(4), abs=1e-6)
    assert opposite.tolist() == [1.0] * 4
    assert fit_weights(np.ones((9, 3)), rng.normal(size=9), [1.0])[0].tolist() == [1.0] * 3


def test_weighted_cosine_is_the_cosine_under_m():
    rng = np.random.default_rng(5)
    a, b, m = rng.normal(size=(7, 3)), rng.normal(size=(7, 3)), np.array([2.0, 0.0, 0.5])
    weight = np.diag(m)
    expected = [x @ weight @ y / np.sqrt((x @ weight @ x) * (y @ weight @ y)) for x, y in zip(a, b, strict=True)]
    assert weighted_cosine(a, b, m) == pytest.approx(expected)


def test_planted_weights_are_found_for_pairs_it_has_not_seen(tmp_path):
    items, ids, grades = planted()
    path = save(tmp_path / "p.tsv", ids, grades)
    mapped, _ = transform(items, None, {"kind": "learned", "pairs": path})
    one, other = np.random.default_rng(1).integers(0, 300, (2, 2000))
    truth = cosine(items[one, 3:], items[other, 3:])
    assert np.corrcoef(cosine(mapped[one], mapped[other]), truth)[0, 1] > 0.9
    assert np.corrcoef(cosine(items[one], items[other]), truth)[0, 1] < 0.6


def test_pairs_without_grades_are_told_from_random_ones(tmp_path):
    rng = np.random.default_rng(6)
    signal = np.repeat(rng.normal(size=(150, 3)), 2, axis=0)
    items = np.column_stack([5 * rng.normal(size=(300, 3)), signal + 0.1 * rng.normal(size=(300, 3))])
    ids = np.arange(300).reshape(150, 2)
    spec = {"kind": "learned", "pairs": save(tmp_path / "p.tsv", ids[:100])}
    mapped, _ = transform(items, None, spec)
    left = ids[100:]
    assert cosine(mapped[left[:, 0]], mapped[left[:, 1]]).mean() > 0.9
    assert cosine(items[left[:, 0]], items[left[:, 1]]).mean() < 0.3
    again, _ = transform(items, None, spec)
    assert again.tolist() == mapped.tolist()


def test_a_rotation_of_the_coordinates_changes_nothing(tmp_path):
    items, ids, grades = planted()
    spec = {"kind": "learned", "pairs": save(tmp_path / "p.tsv", ids, grades), "regularization": 0.1}
    turn, _ = np.linalg.qr(np.random.default_rng(8).normal(size=(6, 6)))
    one, _ = transform(items, None, spec)
    other, _ = transform(items @ turn, None, spec)
    assert cosine(other[:50], other[50:100]) == pytest.approx(cosine(one[:50], one[50:100]), abs=1e-5)


def test_dual_queries_keep_every_score_and_rank_keeps_few_axes(tmp_path):
    items, ids, grades = planted()
    queries = np.random.default_rng(9).normal(size=(5, 6))
    spec = {"kind": "learned", "pairs": save(tmp_path / "p.tsv", ids, grades), "regularization": 5.0}
    mapped, asked = transform(items, queries, spec)
    assert asked @ mapped.T == pytest.approx(queries @ items.T, abs=1e-3)
    assert transform(items, None, {**spec, "rank": 2})[0].shape == (300, 2)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("0\t1\n" * 9, "at least 10 pairs to learn from\n.*9"),
        ("0\t1\t5\n" * 20, "grades that differ\n.*one grade for all\n.*pairs need no grades"),
        ("0\t300\n" * 20, "from 0 to 299"),
    ],
)
def test_pairs_that_teach_nothing_are_refused(tmp_path, text, match):
    (tmp_path / "p.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=match):
        transform(planted()[0], None, {"kind": "learned", "pairs": str(tmp_path / "p.tsv")})
