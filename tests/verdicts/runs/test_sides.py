"""From ``RUN::SELECTOR`` to run directories."""

from pathlib import Path

import pytest

from idxbench.errors import ConfigError, ResultError
from idxbench.verdicts.runs.sides import are_runs, find_runs, load_side, load_sides, split_side
from tests.verdicts.runs.examples import write_run


@pytest.fixture
def nights(tmp_path):
    """Eight nights of one config, one of another and one of a part among them, one unfinished, one torn."""
    parent = tmp_path / "nightly"
    for day in range(1, 9):
        write_run(parent / f"2026110{day}T020000Z-aaaa", seed=day, rounds=0)
    write_run(parent / "20261105T120000Z-bbbb", rounds=0, info={"config": {"seed": 9}})
    write_run(parent / "20261109T020000Z-aaaa", rounds=0, info={"status": "interrupted"})
    write_run(parent / "20261106T120000Z-aaab", rounds=0, info={"only": ["raw"]})
    torn = parent / "20261110T020000Z-aaaa"
    torn.mkdir()
    (torn / "run.json").write_text('{"status": "fin')
    return parent


def days(folders):
    return [folder.name[6:8] + folder.name[-1] for folder in folders]


def test_apart(tmp_path):
    assert split_side("results/nightly::raw,M=16") == (Path("results/nightly"), "raw,M=16")
    assert split_side("results/nightly")[1] == ""
    odd = tmp_path / "a::b"
    odd.mkdir()
    assert split_side(str(odd)) == (odd, "")
    assert split_side(f"{odd}")[0] == odd


def test_a_parent_stands_for_its_newest_finished_runs_of_one_config(nights):
    assert days(find_runs(nights)) == ["08a"]
    assert days(find_runs(nights, 4)) == ["05a", "06a", "07a", "08a"]
    assert days(find_runs(nights, 20)) == [f"0{day}a" for day in range(1, 9)]
    newest = find_runs(nights, 2)
    assert days(find_runs(nights, 2, exclude=newest)) == ["05a", "06a"]


def test_a_run_stands_for_itself_finished_or_not(nights):
    one = nights / "20261109T020000Z-aaaa"
    assert find_runs(one, 6) == [one]
    assert load_side(f"{one}::raw").selector == "raw"


def test_nothing_there(tmp_path, nights):
    with pytest.raises(ResultError, match="no such folder"):
        find_runs(tmp_path / "nope")
    with pytest.raises(ResultError, match="a finished run besides the one it is compared with"):
        find_runs(nights, exclude=[folder for folder in nights.iterdir() if folder.name[6:8] != "09"])


def test_one_parent_on_both_sides_is_the_last_against_the_one_before(nights):
    base, (new,) = load_sides(str(nights), [str(nights)])
    assert (days(run.path for run in base.runs), days(run.path for run in new.runs)) == (["07a"], ["08a"])
    base, (new,) = load_sides(str(nights), [str(nights)], 3)
    assert days(run.path for run in base.runs) == ["03a", "04a", "05a"]
    base, (new,) = load_sides(f"{nights}::raw", [str(nights)])
    assert base.runs[0].path == new.runs[0].path


def test_the_same_run_without_a_selector(nights):
    one = str(nights / "20261108T020000Z-aaaa")
    with pytest.raises(ConfigError, match=r"(?s)two sides of one.*the same run.*::STRATEGY"):
        load_sides(one, [one])


def test_runs_or_files(tmp_path, nights):
    vectors = tmp_path / "items.npy"
    vectors.write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert are_runs([str(nights), f"{nights}::raw"])
    assert not are_runs([str(vectors), str(tmp_path / "empty")])
    assert are_runs([str(nights), str(tmp_path / "typo")])
    with pytest.raises(ConfigError, match=r"(?s)items\.npy.*expected: a run directory.*nightly is.*found: +a file"):
        are_runs([str(nights), str(vectors)])
