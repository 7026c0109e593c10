"""From ``RUN::SELECTOR`` to run directories."""

from pathlib import Path

import pytest

from idxbench.errors import ConfigError, ResultError
from idxbench.records import load_run, start_of
from idxbench.verdicts.runs.sides import (
    OtherConfigurationError,
    are_runs,
    find_runs,
    load_side,
    load_sides,
    split_side,
)
from tests.verdicts.runs.examples import merged, write_run


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


def test_a_folder_that_was_renamed_is_as_old_as_its_run(nights):
    write_run(nights / "release-1.0", rounds=0, info={"started": "2026-10-01T00:00:00+00:00"})
    assert days(find_runs(nights)) == ["08a"]
    assert load_run(nights).path.name.startswith("20261108")
    assert find_runs(nights, 20)[0].name == "release-1.0"


@pytest.mark.parametrize(
    ("name", "started", "age"),
    [
        ("release-1.0", "1970-01-01T02:00:01+02:00", 1.0),
        ("19700101T000002Z-aaaa", None, 2.0),
        ("19700101T000002Z-aaaa", "1970-01-01T00:00:03+00:00", 3.0),
        ("release-1.0", None, 0.0),
        ("release-1.0", "yesterday", 0.0),
    ],
)
def test_ages(name, started, age):
    assert start_of(Path(name), {"started": started}) == (age, name)


def test_more_rounds_keep_the_baseline(nights):
    """What is measured is the same, whatever it takes and wherever it is asked to get."""
    measure = {"rounds": 80, "doublings": 0, "budget": 600.0, "control": False, "rate": 50.0}
    diagnose = {"loss": "ranking"}
    longer = {"config": {"measure": measure, "target_recall": 0.99, "cache": False, "diagnose": diagnose}}
    newest = write_run(nights / "20261111T020000Z-aaaa", rounds=0, info=longer)
    assert days(find_runs(nights, exclude=[newest])) == ["08a"]


def test_a_checkout_that_lies_elsewhere_keeps_the_baseline(tmp_path):
    def data(folder, name="items.npy"):
        return {"config": {"data": {"items": {"path": f"{folder}/{name}", "key": None}}}}

    before = write_run(tmp_path / "20261101T020000Z-aaaa", rounds=0, info=data("/home/one"))
    write_run(tmp_path / "20261102T020000Z-aaaa", rounds=0, info=data("/home/one", "others.npy"))
    newest = write_run(tmp_path / "20261103T020000Z-aaaa", rounds=0, info=data("../two"))
    assert find_runs(tmp_path, exclude=[newest]) == [before]


@pytest.mark.parametrize(
    "other",
    [
        {"data": {"fingerprints": {"items": "0" * 32}}},
        {"identity": {"files": {"data.labels.path": "0" * 32}}},
        {"config": {"data": {"items": {"key": "test/items"}}}},
    ],
)
def test_other_content_behind_one_name_is_another_configuration(tmp_path, other):
    same = {
        "config": {"data": {"items": {"path": "/data/items.hdf5", "key": "train/items"}}},
        "identity": {"files": {"data.labels.path": "1" * 32}},
    }
    before = write_run(tmp_path / "20261101T020000Z-aaaa", rounds=0, info=same)
    write_run(tmp_path / "20261102T020000Z-aaaa", rounds=0, info=merged(same, other))
    newest = write_run(tmp_path / "20261103T020000Z-aaaa", rounds=0, info=same)
    assert find_runs(tmp_path, exclude=[newest]) == [before]


def test_like_a_run_that_lies_elsewhere(tmp_path, nights):
    """A folder of many configurations: the newest of the other side's, and none where there is none of it."""
    other = write_run(nights / "20261111T020000Z-aaaa", rounds=0, info={"config": {"seed": 9}})
    tonight = load_run(write_run(tmp_path / "tonight" / "20261112T020000Z-aaaa", rounds=0))
    assert find_runs(nights) == [other]
    assert days(find_runs(nights, like=tonight)) == ["08a"]
    base, _ = load_sides(str(nights), [str(tonight.path.parent)], alike=True)
    assert days(run.path for run in base.runs) == ["08a"]
    another = load_run(write_run(tmp_path / "another", rounds=0, info={"config": {"seed": 4}}))
    with pytest.raises(OtherConfigurationError, match="seed"):
        find_runs(nights, like=another)
    # Sides of one run, and of a folder, too, are looked for among runs of that configuration.
    base, _ = load_sides(f"{nights}::raw", [f"{tonight.path}::raw"], alike=True)
    assert days(run.path for run in base.runs) == ["08a"]
    # One that is named is taken, and `compare` takes the newest.
    assert find_runs(other, like=tonight) == [other]
    base, _ = load_sides(str(nights), [str(another.path)])
    assert [run.path for run in base.runs] == [other]


def test_keys_that_an_older_version_did_not_know_keep_the_baseline(nights):
    newest = write_run(nights / "20261111T020000Z-aaaa", rounds=0, info={"config": {"probe": []}})
    assert days(find_runs(nights, exclude=[newest])) == ["08a"]


@pytest.mark.parametrize("measure", [{"queries": 5}, {"build_mode": "fast"}, {"builds": 3}])
def test_runs_of_another_configuration_are_not_none(tmp_path, measure):
    write_run(tmp_path / "20261101T020000Z-aaaa", rounds=0)
    write_run(tmp_path / "20261102T020000Z-aaaa", rounds=0)
    newest = write_run(tmp_path / "20261103T020000Z-aaaa", rounds=0, info={"config": {"measure": measure}})
    said = rf"found: +2 finished runs of another configuration \(measure\.{next(iter(measure))}\)"
    with pytest.raises(OtherConfigurationError, match=said):
        find_runs(tmp_path, exclude=[newest])
    alone = write_run(tmp_path / "alone" / "20261103T020000Z-aaaa", rounds=0)
    with pytest.raises(ResultError, match="no other") as error:
        find_runs(tmp_path / "alone", exclude=[alone])
    assert not isinstance(error.value, OtherConfigurationError)


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
