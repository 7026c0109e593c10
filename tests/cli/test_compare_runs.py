"""``idxbench compare`` of runs as a user calls it: two runs, two sides of one, many, and what it says to mistakes."""

import json

import pytest

from tests.verdicts.runs.examples import Arm, write_run

TWO = (Arm("raw"), Arm("normalized", "cosine", slower=1.2))


@pytest.fixture
def compare(call, tmp_path):
    """Return a function that runs the command beside eight nights and a run of two strategies."""
    for day in range(1, 9):
        folder = tmp_path / "results" / "nightly" / f"2026110{day}T020000Z-aaaa"
        write_run(folder, seed=day, level=1.2 if day > 4 else 1.0, shared=0.0)
    write_run(tmp_path / "results" / "two", arms=TWO)

    def run(*arguments, code=0):
        done = call("compare", *arguments, code=code)
        assert (done.stdout if code else done.stderr) == ""
        return " ".join((done.stderr if code else done.stdout).split())

    return run


def test_two_sides_of_one_run(compare):
    said = compare("results/two::raw", "results/two")
    assert said.startswith("Regressed: 7 of 16 gated figures; worst: hnswlib M16 c200 ")
    assert "results/two::raw -> results/two::strategy=normalized" in said
    assert compare("results/two::raw", "results/two::normalized").startswith("Regressed: 7 of 16")
    assert "1.2" in compare("results/two::raw,ef=40", "results/two::normalized,ef=40")


def test_the_last_night_against_the_one_before(compare):
    said = compare("results/nightly", "results/nightly")
    assert said.startswith("Same: 8 of 16 gated figures; 8 only shown: 1 run a side, 6 support a verdict")
    assert "20261107T020000Z-aaaa -> results/nightly/20261108T020000Z-aaaa" in said
    assert "1 run against 1 run; nothing around them differs" in said


def test_several_nights_a_side_and_a_policy(compare, tmp_path):
    (tmp_path / "policy.toml").write_text("min_runs = 4\nlevel = 0.95\n[metrics.qps_batch]\nfloor = 0.08\n")
    said = compare("results/nightly", "results/nightly", "--runs", "4", "--policy", "policy.toml")
    assert said.startswith("Regressed: 7 of 16 gated figures; worst: raw hnswlib M16 c200 ")
    assert "95 % interval" in said
    assert "20261104T020000Z-aaaa and 3 before -> results/nightly/20261108T020000Z-aaaa and 3 before" in said
    assert "4 runs against 4 runs" in said


def test_many_runs_are_columns(compare, tmp_path):
    nights = sorted((tmp_path / "results" / "nightly").iterdir())
    said = compare(nights[0], nights[1], nights[5], "results/nightly")
    assert said.count("1 run against 1 run") == 3
    assert "3. Same: 8 of 16" in said
    assert "figure base 1 2 3" in said


def test_json_and_markdown(compare, call):
    whole = json.loads(call("compare", "results/two::raw", "results/two", "--json").stdout)
    assert len(whole["comparisons"]) == 1
    assert whole["comparisons"][0]["paired"]
    text = call("compare", "results/two::raw", "results/two", "--markdown", "--all").stdout
    assert text.startswith("### regressed: ")
    assert "#### Best trades of recall for speed" in text
    assert "one form of output" in compare("results/two::raw", "results/two", "--json", "--markdown", code=2)


def test_lines_have_no_blanks_at_their_ends(call, compare):
    assert compare
    lines = call("compare", "results/two::raw", "results/two", "--all").stdout.splitlines()
    assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("results/two", "results/two"), ["two runs, or two sides of one", "the same run", "::STRATEGY"]),
        (("results/two::rwa", "results/two"), ["base ::rwa", "'rwa'", "did you mean 'raw'?"]),
        (("results/two::raw", "results/two::M=17"), ["new ::M=17", "expected: M=16", "found: M=17"]),
        (("results/two::raw,ef=1", "results/two"), ["expected: ef=10 or 20 or 40"]),
        (("results/two::hnswlib", "results/two"), ["the run has one index only"]),
        (("results/two", "results/nope"), ["results/nope", "a run directory", "no such folder"]),
        (("results/nightly", "results/two", "--base-ids", "x", "-k", "3"), ["2 errors", "--base-ids", "-k"]),
        (("results/nightly", "results/two", "--policy", "nope.toml"), ["nope.toml", "a readable policy file"]),
        (("results/nightly", "results/two", "--runs", "0"), ["--runs"]),
    ],
)
def test_mistakes(compare, arguments, parts):
    said = compare(*arguments, code=2)
    for part in parts:
        assert part in said


def test_files_take_no_options_of_runs(compare, tmp_path):
    for name in ("a.npy", "b.npy"):
        (tmp_path / name).write_bytes(b"")
    said = compare("a.npy", "b.npy", "c.npy", "--markdown", "--runs", "3", code=2)
    for word in ("MORE", "--markdown", "--runs", "options that fit files of vectors"):
        assert word in said
    assert "b.npy expected: a run directory or a parent of some" in compare("results/two", "b.npy", code=2)


def test_a_torn_file_is_named(compare, tmp_path):
    (tmp_path / "results" / "two" / "rounds.csv").write_text("session,round\n1,2\n")
    assert "rounds.csv" in compare("results/two::raw", "results/two", code=2)


def test_help(call):
    said = call("compare", "--help").stdout
    for word in ("--runs", "--policy", "--markdown", "--all", "RUN::SELECTOR", "MORE", "environment="):
        assert word in said
