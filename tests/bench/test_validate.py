"""Validation inside a run: who asks whom, what is left out, and that nothing is scored on what it was fitted on."""

from dataclasses import replace

import numpy as np
import pytest

from idxbench.bench import validate as module
from idxbench.bench.embed import embed
from idxbench.bench.inputs import Inputs
from idxbench.bench.progress import Silent
from idxbench.bench.ranked import Questions, answers, group, hits
from idxbench.bench.session import Session
from idxbench.bench.validate import validate
from idxbench.bench.validation_sets import read_sets
from idxbench.config.load import parse_config
from idxbench.data.dataset import Dataset, Labels
from idxbench.data.load import hold_out
from idxbench.errors import ConfigError, DataError
from idxbench.store.rundir import RunDirectory
from idxbench.strategies.catalogue import resolve_strategies
from idxbench.truth.exact import ExactIndex

RAW = [{"transform": "raw"}]


def save(path, rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def config_of(strategies=RAW, *, data=None, **validation):
    given = {"data": {"source": "digits", "trained_with": "cosine", "holdout": 0} | (data or {})}
    return parse_config({**given, "strategy": strategies, "validation": validation})


def inputs_of(items, queries=None, labels=None, n_given=None):
    given = n_given if n_given is not None else 0 if queries is None else len(queries)
    return Inputs(Dataset("d", items, queries, labels=labels), "cosine", 1, {}, {}, given, ())


def judged(tmp_path, config, inputs):
    """Embed, validate, and return the session with its rows."""
    session = Session(config, 1, RunDirectory.create(tmp_path / "out", "", "x"), Silent())
    sets = read_sets(config, inputs, "c.toml")
    spaces = [
        embed(space, inputs, session.directory.work / f"space-{i}", 1)
        for i, space in enumerate(resolve_strategies(config))
    ]
    validate(session, inputs, sets, spaces)
    return session


def value(session, metric, strategy="raw", k=0):
    (row,) = [one for one in session.directory.rows if (one.metric, one.strategy, one.k) == (metric, strategy, k)]
    return row


def test_lists_are_gathered_padded_and_taken():
    lists = group(np.array([2, 0, 2, 2]), np.array([5, 1, 4, 5]), 4)
    assert lists.sizes.tolist() == [1, 0, 2, 0]
    assert lists.padded(np.array([2, 1, 0])).tolist() == [[4, 5], [-1, -1], [1, -1]]
    assert lists.take(np.array([2, 1])).ids.tolist() == [4, 5]
    assert group(np.zeros(0), np.zeros(0), 2).padded(np.arange(2)).shape == (2, 0)


def test_answers_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    items, queries = rng.normal(size=(60, 4)), rng.normal(size=(40, 4))
    out = group(*np.nonzero(rng.random((40, 60)) < rng.random((40, 1))), 40)
    wanted = group(np.arange(40), np.arange(40), 40)
    questions = Questions(np.arange(40), wanted, out)
    found = answers(ExactIndex(items, "dot", threads=1), queries, questions, 7)
    marked = hits(found, questions)
    for row in range(40):
        barred = set(out.padded(np.array([row]))[0].tolist())
        best = [i for i in np.argsort(-(items @ queries[row])).tolist() if i not in barred][:7]
        assert found[row].tolist() == best + [-1] * (7 - len(best))
        assert marked[row].tolist() == [i == row for i in found[row].tolist()]


def test_pairs_ask_both_ways_and_never_find_themselves(tmp_path):
    """Items on a circle, each paired with the next: its two neighbours are its partners."""
    angles = np.arange(12) * 2 * np.pi / 12
    items = np.column_stack([np.cos(angles), np.sin(angles)])
    path = save(tmp_path / "p.tsv", [(i, (i + 1) % 12) for i in range(12)] + [(3, 3)])
    config = replace_k(config_of(pairs=path), (2,))
    session = judged(tmp_path, config, inputs_of(items))
    assert value(session, "ndcg", k=2).value == 1.0
    assert value(session, "ndcg", k=2).n == 12
    chance = value(session, "hit_rate", "", k=2).value
    assert chance == pytest.approx(1 - (9 / 11) * (8 / 10))
    (notice,) = session.notices
    assert "1 pairs are of an item with itself" in notice.text


def replace_k(config, k):
    return config.model_copy(update={"k": k})


def test_graded_pairs_are_ranked_by_the_similarity(tmp_path):
    rng = np.random.default_rng(1)
    items = rng.normal(size=(40, 3)).astype(np.float32)
    ids = rng.integers(0, 40, (30, 2))
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    grades = (unit[ids[:, 0]] * unit[ids[:, 1]]).sum(axis=1)
    path = save(tmp_path / "p.tsv", [(a, b, g) for (a, b), g in zip(ids, grades, strict=True)])
    strategies = [*RAW, {"transform": "raw", "similarity": "dot", "name": "by dot"}]
    session = judged(tmp_path, config_of(strategies, pairs=path), inputs_of(items))
    assert value(session, "spearman").value == pytest.approx(1.0)
    gap = value(session, "spearman_difference", "by dot")
    assert gap.reference == "raw"
    assert gap.value == pytest.approx(value(session, "spearman", "by dot").value - 1.0)


def test_seen_interactions_are_no_answers(tmp_path):
    """Every query points at the item of its row, which it has seen; the one wanted comes next."""
    items = np.eye(12) + 0.5 * np.roll(np.eye(12), 1, axis=1)
    wanted = save(tmp_path / "w.tsv", [(i, (i - 1) % 12) for i in range(12)] + [(0, 0)])
    seen = save(tmp_path / "s.tsv", [(i, i) for i in range(12)])
    queries = np.eye(12) + 0.1 * np.roll(np.eye(12), -1, axis=1)
    one = judged(tmp_path, replace_k(config_of(interactions=wanted, seen=seen), (1,)), inputs_of(items, queries))
    assert value(one, "ndcg", k=1).value == 1.0
    assert "1 interactions are among those seen" in one.notices[0].text
    other = judged(tmp_path, replace_k(config_of(interactions=wanted), (1,)), inputs_of(items, queries))
    assert value(other, "hit_rate", k=1).value == pytest.approx(1 / 12)


def test_rows_of_the_files_are_found_where_items_were_held_out_and_queries_drawn(tmp_path):
    """After holding out, the row of an item in the run is not its row in the file."""
    from idxbench.data.load import hold_out, sample_queries

    rng = np.random.default_rng(2)
    given = Dataset("d", rng.normal(size=(80, 3)))
    wanted = save(tmp_path / "w.tsv", [(i, j) for i in range(80) for j in range(i, min(i + 3, 80))])
    config = config_of(data={"holdout": 30}, relevant=wanted)
    dataset, _ = sample_queries(hold_out(given, 30, config.seed), 20, config.seed)
    inputs = replace(inputs_of(dataset.items, dataset.queries), n_queries_given=30)
    questions = read_sets(config, inputs, "c").questions.questions
    held = hold_out(Dataset("d", np.arange(80)[:, None]), 30, config.seed)
    asked, _ = sample_queries(held, 20, config.seed)
    numbers = asked.queries[:, 0]  # rows of the file
    assert len(asked.queries) == 20
    for position, row in enumerate(questions.rows.tolist()):
        truth = set(range(numbers[row], numbers[row] + 3)) & set(held.items[:, 0].tolist())
        found = questions.relevant.padded(np.array([position]))[0]
        assert {int(held.items[i, 0]) for i in found if i >= 0} == truth


def test_a_learned_strategy_is_scored_by_maps_that_have_not_seen_the_pairs(tmp_path, monkeypatch):
    """Grades are cosine and much noise: a map agrees with the noise of pairs it has seen, never with that of others."""
    rng = np.random.default_rng(3)
    items = rng.normal(size=(60, 40))
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    ids = np.array([rng.choice(60, 2, replace=False) for _ in range(80)])
    grades = 3 * (unit[ids[:, 0]] * unit[ids[:, 1]]).sum(axis=1) + rng.normal(size=80)
    rows = [(a, b, g) for (a, b), g in zip(ids, grades, strict=True)]
    path = save(tmp_path / "p.tsv", rows)
    learned = {"transform": {"kind": "learned", "pairs": path, "regularization": 1e-3}}
    config, inputs = config_of([*RAW, learned], pairs=path), inputs_of(items)
    honest = judged(tmp_path, config, inputs)
    assert honest.facts["validation"]["cross_fitted"] == ["learned"]
    assert not (honest.directory.work / "unseen").exists()
    monkeypatch.setattr(module._Judge, "_unseen", lambda self, one, folds, of: [(one, np.arange(len(folds)))])
    cheated = judged(tmp_path, config, inputs)
    told = [value(one, "spearman", "learned").value for one in (honest, cheated)]
    assert told[1] > told[0] + 0.3
    assert told[0] < value(honest, "spearman").high
    assert value(cheated, "spearman").value == value(honest, "spearman").value


def test_no_fold_is_fitted_on_its_own_pairs(tmp_path, monkeypatch):
    """Pairs without grades, too: what each map was fitted on and what it was asked never share a pair."""
    rng = np.random.default_rng(4)
    rows = {tuple(sorted(rng.choice(30, 2, replace=False))) for _ in range(60)}
    path = save(tmp_path / "p.tsv", [pair[::-1] if i % 2 else pair for i, pair in enumerate(sorted(rows))])
    learned = {"transform": {"kind": "learned", "pairs": path, "regularization": 1.0}}
    fitted, asked = [], []
    real_embed, real_answers = module.embed, module.answers

    def spy_embed(space, *rest):
        lines = space.transforms[0].pairs.read_text().splitlines()
        fitted.append({tuple(sorted(map(int, line.split()))) for line in lines})
        return real_embed(space, *rest)

    def spy_answers(exact, asking, questions, k):
        owners = np.repeat(questions.rows, questions.relevant.sizes)
        asked.append({tuple(sorted(pair)) for pair in zip(owners, questions.relevant.ids, strict=True)})
        for position, item in enumerate(questions.rows.tolist()):
            lists = [
                lists.padded(np.array([position]))[0].tolist() for lists in (questions.relevant, questions.excluded)
            ]
            partners = {one + other - item for one, other in rows if item in (one, other)}
            assert set(lists[0]) | set(lists[1]) == partners | {item}
            assert not set(lists[0]) & set(lists[1])
        return real_answers(exact, asking, questions, k)

    monkeypatch.setattr(module, "embed", spy_embed)
    monkeypatch.setattr(module, "answers", spy_answers)
    judged(tmp_path, config_of([learned], pairs=path), inputs_of(rng.normal(size=(30, 4))))
    assert len(fitted) == len(asked) == 5
    assert set.union(*asked) == rows
    for one, other in zip(fitted, asked, strict=True):
        assert one | other == rows
        assert not one & other


def test_the_maps_are_written_as_projected_reads_them(tmp_path):
    from idxbench import transform

    rng = np.random.default_rng(5)
    items = rng.normal(size=(60, 5))
    path = save(tmp_path / "p.tsv", [(*rng.choice(60, 2, replace=False), g) for g in rng.normal(size=60)])
    learned = {"kind": "learned", "pairs": path, "regularization": 0.1}
    session = judged(tmp_path, config_of([{"transform": ["centered", learned]}], pairs=path), inputs_of(items))
    (fact,) = session.facts["learned"]
    assert fact["after"] == ["centered"]
    maps = {side: str(session.directory.path / fact[side]) for side in ("items", "queries")}
    expected, _ = transform(items, None, ["centered", learned], same_space=True)
    got, _ = transform(items, None, ["centered", {"kind": "projected", **maps}], same_space=True)
    assert got == pytest.approx(expected, abs=1e-6)


def test_labels_are_not_asked_of_items_that_taught(tmp_path):
    rng = np.random.default_rng(6)
    items, labels = rng.normal(size=(80, 4)), Labels(np.arange(80) % 3, ("a", "b", "c"))
    path = save(tmp_path / "p.tsv", [(i, i + 1) for i in range(40)])
    learned = {"transform": {"kind": "learned", "pairs": path, "regularization": 1.0}}
    sets = read_sets(config_of([learned]), inputs_of(items, labels=labels), "c")
    assert sets.asking.tolist() == list(range(41, 80))
    assert read_sets(config_of(), inputs_of(items, labels=labels), "c").asking.tolist() == list(range(80))


def test_what_can_not_be_validated_is_said_before_any_work(tmp_path):
    items = np.random.default_rng(7).normal(size=(50, 4))
    pairs = save(tmp_path / "p.tsv", [(i, i + 1) for i in range(20)])
    few = save(tmp_path / "f.tsv", [(i, i + 1) for i in range(4)])
    flat = save(tmp_path / "g.tsv", [(i, i + 1, 5) for i in range(20)])
    with pytest.raises(ConfigError, match="nothing to validate on"):
        read_sets(config_of(), inputs_of(items), "c")
    with pytest.raises(ConfigError, match=r"queries that ask\n.*items alone"):
        read_sets(config_of(relevant=pairs), inputs_of(items), "c")
    with pytest.raises(DataError, match=r"at least 10 pairs\n.*4"):
        read_sets(config_of(pairs=few), inputs_of(items), "c")
    with pytest.raises(DataError, match="grades that differ"):
        read_sets(config_of(pairs=flat), inputs_of(items), "c")
    with pytest.raises(DataError, match=r"at least 10 queries with an item to find\n.*4 of the 50"):
        read_sets(config_of(relevant=few), inputs_of(items, items), "c")
    learned = [{"transform": {"kind": "learned", "pairs": pairs}}]
    with pytest.raises(ConfigError, match="0 beside a learned transform"):
        read_sets(config_of(learned, data={"holdout": 10}, pairs=pairs), inputs_of(items, items[:10]), "c")


def test_held_out_items_ask_by_the_rows_of_the_file(tmp_path):
    """Their nearest neighbours, written down by rows of the file, are what exact search finds."""
    items = np.random.default_rng(0).normal(size=(300, 8))
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -2)
    held = hold_out(Dataset("d", np.arange(300)[:, None]), 100, 0)
    left, taken = held.items[:, 0], held.queries[:, 0]
    best = left[np.argmax(scores[np.ix_(taken, left)], axis=1)]
    config = config_of(
        [{"transform": "normalized"}],
        data={"holdout": 100, "source": "digits"},
        relevant=save(tmp_path / "relevant.tsv", zip(taken, best, strict=True)),
    )
    session = judged(tmp_path, config, inputs_of(items[left], items[taken], n_given=100))
    assert value(session, "hit_rate", "normalized", k=10).value == 1.0
    assert value(session, "ndcg", "normalized", k=10).value == 1.0


def test_more_folds_than_pairs(tmp_path):
    pairs = save(tmp_path / "pairs.tsv", [(i, i + 20) for i in range(12)])
    strategies = [{"transform": {"kind": "learned", "pairs": pairs}}, *RAW]
    config = config_of(strategies, pairs=pairs, folds=20)
    session = judged(tmp_path, config, inputs_of(np.random.default_rng(0).normal(size=(60, 5))))
    assert value(session, "ndcg", "learned", k=10).n > 0


def test_one_long_list_does_not_pad_the_others():
    rows = np.concatenate([np.zeros(1000, int), np.arange(1, 50)])
    lists = group(rows, np.arange(len(rows)), 50)
    some = lists.take(np.array([3, 0, 49]))
    assert some.sizes.tolist() == [1, 1000, 1]
    assert some.ids.tolist() == [1002, *range(1000), 1048]
