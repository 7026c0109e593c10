"""``idxbench diagnose`` as a user runs it: files in, a verdict out, and what it says to mistakes."""

import json
import tomllib

import numpy as np
import pytest

import idxbench
from idxbench.config.load import parse_config
from idxbench.errors import ConfigError, DataError

N, M, D = 1200, 500, 12


def two_towers(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)).astype("f4"), rng.normal(size=(M, D)).astype("f4")


@pytest.fixture
def diagnose(call, tmp_path):
    """Return a function that runs the command on arrays and returns its standard output; messages where it fails."""

    def run(items, queries=None, *arguments, code=0, trained="dot"):
        np.save(tmp_path / "items.npy", items)
        given = ["--items", "items.npy", "--threads", "2"]
        given += ["--trained-with", trained] if trained else []
        if queries is not None:
            np.save(tmp_path / "queries.npy", queries)
            given += ["--queries", "queries.npy"]
        done = call("diagnose", *given, *arguments, code=code)
        if code:
            assert done.stdout == ""
            return " ".join(done.stderr.split())
        assert done.stderr == ""
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    return run


def codes(found):
    return {one["code"]: one for one in found["findings"]}


def test_a_rescaled_model_is_seen_and_mended(diagnose, tmp_path):
    """The same scores in two coordinate systems: one hurts an index, and what is written no longer does."""
    items, queries = two_towers()
    items[:, 0] *= 1000
    queries[:, 0] /= 1000
    found = diagnose(items, queries, "--json", "--write", "out")
    assert {"not-identifiable", "gauge-strong", "gauge-hurts-index", "no-labels"} <= set(codes(found))
    assert "balanced coordinates" in found["headline"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest == {key: value for key, value in found["written"].items() if key != "folder"}
    arrays = {name: np.load(tmp_path / "out" / file) for name, file in manifest["files"].items()}
    assert arrays["items"].dtype == arrays["queries"].dtype == np.float32
    # Scores: NumPy's own, in float64, of every pair.
    before = queries.astype(float) @ items.T.astype(float)
    after = arrays["queries"].astype(float) @ arrays["items"].T.astype(float)
    change = (np.abs(after - before).max(axis=1) / np.abs(before).max(axis=1)).max()
    assert change < 1e-5
    assert manifest["largest_score_change"] == pytest.approx(change, rel=1e-6)
    # Both second moments are equal, up to the factor of their scales.
    moments = [arrays[name].T.astype(float) @ arrays[name] / len(arrays[name]) for name in ("items", "queries")]
    np.testing.assert_allclose(moments[0], moments[1], atol=1e-5 * moments[0].max())
    # There, and back.
    np.testing.assert_allclose(items @ arrays["items_map"], arrays["items"], rtol=1e-4, atol=1e-5)
    for name, source in (("items", items), ("queries", queries)):
        back = arrays[name] @ arrays[f"{name}_inverse"]
        np.testing.assert_allclose(back, source, rtol=0, atol=1e-5 * np.abs(source).max())
    again = diagnose(arrays["items"], arrays["queries"], "--json")
    assert {"gauge-balanced"} <= set(codes(again))
    assert "gauge-hurts-index" not in codes(again)


def test_a_collapsed_model(diagnose, tmp_path):
    rng = np.random.default_rng(1)
    items = (rng.normal(size=(N, 4)) @ rng.normal(size=(4, 128))).astype("f4")
    queries = (rng.normal(size=(M, 4)) @ rng.normal(size=(4, 128))).astype("f4")
    found = diagnose(items, queries, "--json", "--write", "out")
    assert codes(found)["rank-deficient"]["numbers"]["rank_scores"] == 4
    assert "not-identifiable" in codes(found)
    assert found["written"]["rank"] == 4
    assert np.load(tmp_path / "out" / "items.npy").shape == (N, 4)
    assert found["written"]["largest_score_change"] < 1e-5
    assert "up to directions" in found["written"]["inverse"]


def test_zero_rows_near_zero_rows_and_a_bias_column(diagnose):
    items, queries = two_towers()
    items[5:25] = 0
    items[30:70] *= 1e-6
    queries[:3] = 0
    found = codes(diagnose(items, queries, "--json", trained=None))
    assert found["zero-items"]["numbers"] == {"zero_rows": 20}
    assert found["near-zero-items"]["numbers"] == {"near_zero_rows": 40}
    assert found["zero-queries"]["numbers"] == {"zero_rows": 3}
    assert "trained-with-unknown" in found
    queries[:, 4] = 1
    found = codes(diagnose(items, queries, "--json"))
    assert "bias-column-queries" in found
    assert "olumn 4 of the queries" in found["bias-column-queries"]["text"]


@pytest.mark.parametrize("zero", ["items", "queries", "both"])
def test_nothing_but_zeros(diagnose, zero):
    items, queries = two_towers()
    if zero in ("items", "both"):
        items[:] = 0
    if zero in ("queries", "both"):
        queries[:] = 0
    found = codes(diagnose(items, queries, "--json"))
    assert ("too-few-items" in found) == (zero != "queries")
    assert "not-identifiable" not in found
    assert "every score is 0" in diagnose(items, queries, "--write", "out", code=2)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_scales_change_no_neighbour(diagnose, scale):
    items, queries = two_towers()
    usual = diagnose(items, queries, "--json")["figures"]["samples"]
    found = diagnose(items * np.float32(2.0 ** round(np.log2(scale))), queries, "--json")
    assert "scale-items" in codes(found)
    for name in ("cosine_kept", "score_corr_kept"):
        assert found["figures"]["samples"]["probe"][name] == usual["probe"][name]
    assert found["figures"]["samples"]["answers"] == usual["answers"]


def test_l2_is_measured_between_vectors_as_they_are(diagnose):
    """Samples are brought to a common scale, both sides by one factor: by two, distances would be others."""
    items, queries = two_towers()
    items = items[:400] * np.float32(9)
    found = diagnose(items, queries, "--json", trained="l2")["figures"]["samples"]["overlaps"]["dot-l2"]["value"]
    lists = [idxbench.exact_topk(items, queries, 10, metric)[0] for metric in ("dot", "l2")]
    expected = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*lists, strict=True)])
    assert found == pytest.approx(expected)


def test_items_alone(diagnose):
    items, _ = two_towers()
    text = diagnose(items)
    assert text.startswith("Cannot assess")
    assert diagnose(items, None, "--towers", "1").startswith("Fine: dot, cosine and l2")
    assert diagnose(items, None, trained="cosine").startswith("Fine: cosine")


def test_labels_decide(diagnose, tmp_path):
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 5, N)
    # Directions that lean to one side: by dot, large norms of other groups come first.
    directions = np.linalg.qr(rng.normal(size=(D, D)))[0]
    items = directions[groups] + 1.5 * directions[9] + 0.1 * rng.normal(size=(N, D))
    items *= np.exp(rng.normal(size=(N, 1)))
    np.save(tmp_path / "labels.npy", groups)
    found = codes(diagnose(items, None, "--labels", "labels.npy", "--towers", "1", "--json"))
    assert found["labels-better"]["title"].startswith("By the labels, cosine is better")
    np.save(tmp_path / "labels.npy", rng.permutation(groups))
    found = codes(diagnose(items, None, "--labels", "labels.npy", "--towers", "1", "--json"))
    assert {"labels-silent", "labels-tie"} & set(found)
    np.save(tmp_path / "labels.npy", groups[:-1])
    assert f"expected: {N} labels" in diagnose(items, None, "--labels", "labels.npy", code=2)


def test_a_config_in_place_of_files(call, tmp_path):
    config = (
        'seed = 3\n[data]\nsource = "gaussian"\nn_items = 900\nn_queries = 200\nn_dims = 8\n'
        "[diagnose]\nitems = 300\nasking = 50\nneighbors_kept = 0.0\nloss = 'ranking'\n"
    )
    (tmp_path / "c.toml").write_text(config)
    found = json.loads(call("diagnose", "c.toml", "--json").stdout)
    assert found["training"] == {"trained_with": "dot", "loss": "ranking", "towers": 2}
    assert (found["seed"], found["figures"]["samples"]["n_items"], found["figures"]["samples"]["n_asking"]) == (
        3,
        300,
        50,
    )
    assert "neighbors-hold" in codes(found)
    assert found["figures"]["items"]["n_rows"] == 900
    text = call("diagnose", "c.toml").stdout
    assert "300 of 900 items" in " ".join(text.split())
    pasted = text[text.index("[[strategy]]") :]
    assert parse_config({"data": {"source": "digits"}, **tomllib.loads(pasted)}).strategy
    (tmp_path / "c.toml").write_text(config.replace("asking", "askin"))
    assert "diagnose.askin" in call("diagnose", "c.toml", code=2).stderr
    (tmp_path / "c.toml").write_text('[data]\nsource = "digits"\n')
    assert call("diagnose", "c.toml").stdout.startswith("Fine: l2")


def test_the_same_answer_for_any_number_of_threads(diagnose):
    found = [diagnose(*two_towers(), "--json", "--threads", n) for n in ("1", "3")]
    for one in found:
        del one["seconds"], one["threads"]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--scorer", "other"], ["--scorer", "no diagnosis", "MaxSim"]),
        (["--scorer", "cosine"], ["--scorer", "dot, as --trained-with says"]),
        (["--loss", "hinge"], ["--loss", "pointwise, ranking or unknown", "'hinge'"]),
        (["--towers", "3"], ["--towers"]),
        (["--labels", "no.npy"], ["no.npy"]),
        (["--labels-key", "x"], ["--labels-key", "--labels beside it"]),
        (["c.toml"], ["a CONFIG, or --items FILE"]),
        (["--write", "full"], ["--write full", "a new or empty folder", "nothing is overwritten"]),
        (["--write", "items.npy"], ["a file"]),
        (["--write", "no/such"], ["an existing folder to put it in"]),
    ],
)
def test_mistakes_are_told_before_the_work(diagnose, tmp_path, arguments, parts):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    said = diagnose(*two_towers(), *arguments, code=2)
    for part in parts:
        assert part in said
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_what_does_not_fit(call, diagnose, tmp_path):
    items, queries = two_towers()
    assert f"{D} dimensions" in diagnose(items, queries[:, :5], code=2)
    bad = items.copy()
    bad[7, 2] = np.nan
    assert "first in rows 7" in diagnose(bad, queries, code=2)
    assert "queries: balancing is fitted on them" in diagnose(items, None, "--write", "out", code=2)
    said = diagnose(items, queries, "--write", "out", code=2, trained="cosine")
    assert "a model trained with a dot product" in said
    assert not (tmp_path / "out").exists()
    assert "a CONFIG, or --items FILE" in call("diagnose", code=2).stderr


def test_an_empty_folder_may_be_written_to(diagnose, tmp_path):
    (tmp_path / "out").mkdir()
    assert "Written to out" in diagnose(*two_towers(), "--write", "out")
    assert not list(tmp_path.glob(".*"))


def test_from_python(tmp_path):
    items, queries = two_towers()
    found = idxbench.diagnose(items, queries, trained_with="dot", settings={"probes": 1}, write=tmp_path / "out")
    assert found.finding("not-identifiable") is not None
    assert str(found).startswith(found.headline)
    assert found.examined.near.probe.probes == 1
    assert found.written[1].rank == D
    labels = np.where(items[:, 0] < -0.5, "down", np.where(items[:, 0] > 0, "up", ""))
    found = idxbench.diagnose(items, trained_with="dot", towers=1, labels=labels)
    assert found.examined.patient.labels.names == ("down", "up")
    assert found.examined.near.labelled.agreement["cosine"].value > 0.6
    config = {"data": {"source": "gaussian", "n_items": 300, "n_queries": 0, "n_dims": 4}}
    assert idxbench.diagnose(config).finding("cannot-assess") is not None
    with pytest.raises(ConfigError, match="trained_with"):
        idxbench.diagnose(items, trained_with="dots")
    with pytest.raises(DataError, match="a 2-D array"):
        idxbench.diagnose(items[0])
    with pytest.raises(ConfigError, match="probs"):
        idxbench.diagnose(items, settings={"probs": 1})


def test_help_says_what_matters(call):
    said = " ".join(call("diagnose", "--help").stdout.split())
    for word in ("--trained-with", "--loss", "--towers", "--labels", "--json", "--write", "no gate", "[diagnose]"):
        assert word in said
