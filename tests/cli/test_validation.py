"""``[validation]`` as a user writes it: a real process, real files, and what it says about wrong ones."""

import csv
import json

import numpy as np
import pytest

HEAD = """
name = "v"
k = [5]
threads = 1
tasks = ["similar"]
[data]
items = "items.npy"
trained_with = "cosine"
towers = 1
[similar]
sample = 50
[[strategy]]
transform = "normalized"
[[strategy]]
transform = ["centered", "normalized"]
"""
LEARNED = """
[[strategy]]
transform = { kind = "learned", pairs = "pairs.tsv", names = "names.tsv" }
"""


@pytest.fixture
def files(tmp_path):
    """Items that share a large mean, and pairs graded by the cosine without it."""
    rng = np.random.default_rng(0)
    items = rng.normal(size=(200, 8)) * np.array([4, 1, 1, 1, 1, 1, 1, 1])
    items -= items.mean(axis=0)
    np.save(tmp_path / "items.npy", (items + 20 * np.eye(8)[0]).astype(np.float32))
    ids = rng.integers(0, 200, (150, 2))
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    grades = (unit[ids[:, 0]] * unit[ids[:, 1]]).sum(axis=1)
    lines = [f"w{a}\tw{b}\t{g}\n" for (a, b), g in zip(ids, grades, strict=True)]
    (tmp_path / "pairs.tsv").write_text("# a comment\n" + "".join(lines) + "nobody\tw1\t1\n")
    (tmp_path / "names.tsv").write_text("word\n" + "".join(f"w{i}\n" for i in range(200)))
    return tmp_path


def test_a_run_ends_in_what_the_pairs_say(call, files):
    table = '[validation]\npairs = "pairs.tsv"\nnames = "names.tsv"\n'
    (files / "c.toml").write_text(HEAD + LEARNED + table)
    done = call("run", "c.toml")
    assert "Validate: pairs of items, 150 pairs" in done.stdout
    assert "Best: centered+normalized by cosine (Spearman 1.000 " in " ".join(done.stdout.split())
    assert "1 name what is not there ('nobody') and were left out" in " ".join(done.stdout.split())
    (folder,) = (files / "results" / "v").iterdir()
    with (folder / "measurements.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == "validate"]
    assert {row["metric"] for row in rows} == {"spearman", "spearman_difference", "spearman_holm_p"}
    assert {row["reference"] for row in rows} == {"pairs", "chance", "centered+normalized"}
    info = json.loads((folder / "run.json").read_text())
    assert info["validation"]["cross_fitted"] == ["learned"]
    assert (folder / info["learned"][0]["items"]).is_file()
    again = call("report", folder.relative_to(files))
    assert again.stdout == done.stdout


def test_pairs_without_grades_are_ranked_beside_chance(call, files):
    lines = (files / "pairs.tsv").read_text().splitlines()[1:]
    best = sorted(lines, key=lambda line: -float(line.split("\t")[2]))[:40]
    (files / "alike.tsv").write_text(
        "".join("\t".join(line.split("\t")[:2]) + "\n" for line in best if "nobody" not in line)
    )
    (files / "c.toml").write_text(HEAD + '[validation]\npairs = "alike.tsv"\nnames = "names.tsv"\n')
    done = call("run", "c.toml")
    assert "nDCG@5" in done.stdout
    assert "hit@5" in done.stdout
    assert "chance" in done.stdout


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[validation]\npairs = "pears.tsv"\n', ["pears.tsv", "did you mean", "pairs.tsv"]),
        ('[validation]\npairs = "pairs.tsv"\n', ["line 2", "a row number from 0 to 199", "validation.names"]),
        ('[validation]\npair = "pairs.tsv"\n', ["validation.pair", "did you mean 'pairs'?"]),
        ("[validation]\n", ["nothing to validate on", 'pairs = "pairs.tsv"']),
        ('[validation]\nrelevant = "pairs.tsv"\n', ["validation.relevant", "items alone"]),
        ('[validation]\npairs = "pairs.tsv"\nnames = "pairs.tsv"\n', ["200 names, one per row of items"]),
        ('[validation]\npairs = "a"\nrelevant = "b"\n', ["one of pairs, relevant and interactions"]),
    ],
)
def test_mistakes_are_told_before_any_work(call, files, table, words):
    (files / "c.toml").write_text(HEAD + table)
    done = call("run", "c.toml", code=2)
    for word in words:
        assert word in done.stderr
    assert not list((files / "results").glob("v/*"))
