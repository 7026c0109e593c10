"""What differs around two runs, and what that forbids."""

import pytest

from idxbench.verdicts.runs.surroundings import differences, machine_of, same_machine, times_apart
from tests.verdicts.runs.examples import make_run


@pytest.fixture
def pair(tmp_path):
    """Return a function that writes a usual run and one with changes."""

    def write(**info):
        return make_run(tmp_path / "one", rounds=0), make_run(tmp_path / "two", rounds=0, info=info)

    return write


def told(base, new):
    return {one.what: (one.base, one.new) for one in differences(base, new)}


def test_nothing_differs(pair):
    assert told(*pair()) == {}
    # when it ran, how long it took and what it found are no surroundings
    assert told(*pair(started="2026-11-22", seconds=99.0, warnings=[])) == {}


def test_what_differs_is_told_and_what_matters_most_first(pair):
    base, new = pair(
        git_commit="f" * 40 + "+",
        config={"k": [10, 20], "index": [{"kind": "hnswlib", "M": [16]}], "gate": {"level": 0.9}, "name": "other"},
        data={"fingerprints": {"items": "0123456789"}},
        environment={
            "threads": 1,
            "platform": "Linux-7.0-x86_64-with-glibc2.36",
            "affinity": [0, 1],
            "versions": {"hnswlib": "0.9.0", "usearch": "2.25"},
        },
    )
    assert told(base, new) == {
        "data items": ("10,000 x 32, e8067386", "10,000 x 32, 01234567"),
        "threads": ("2", "1"),
        "affinity": ("none", "[0, 1]"),
        "kernel": ("Linux-6.18.44-x86_64-with-glibc2.36", "Linux-7.0-x86_64-with-glibc2.36"),
        "hnswlib": ("0.8.0", "0.9.0"),
        "usearch": ("none", "2.25"),
        "git commit": ("c9b003cfd3", "ffffffffff+"),
        "config k": ("[10]", "[10, 20]"),
        "config index[0].kind": ("none", "hnswlib"),
        "config index[0].M": ("none", "[16]"),
    }
    assert next(iter(told(base, new))) == "data items"
    assert [one.what for one in differences(base, new) if one.breaks_times] == ["threads"]
    assert times_apart(base, new) == "2 and 1 threads"


def test_keys_that_an_older_version_did_not_know_are_no_difference(pair):
    assert told(*pair(config={"measure": {"control": True}})) == {}


@pytest.mark.parametrize(
    ("environment", "same"),
    [
        # what the kernel keeps for itself changes with its version
        ({"memory_bytes": 25_000_000_000}, True),
        ({"memory_bytes": 50_000_000_000}, False),
        ({"processor": "Intel"}, False),
        ({"cores_usable": 4}, False),
        ({"platform": "Linux-6.18.44-aarch64-with-glibc2.36"}, False),
        ({"python": "3.13.0"}, True),
    ],
)
def test_machines(pair, environment, same):
    base, new = pair(environment=environment)
    assert same_machine(base, new) == same
    assert times_apart(base, new) == ("" if same else "another machine")
    named = {one.what for one in differences(base, new)}
    assert ("memory" in named) == (environment.get("memory_bytes") == 50_000_000_000)


def test_a_name_that_was_given_counts(pair):
    base, new = pair(environment={"machine": "ci-7"})
    assert machine_of(new) == "ci-7"
    assert not same_machine(base, new)


@pytest.mark.parametrize("unknown", [{"processor": ""}, {"cores_usable": None}])
def test_a_machine_that_is_not_known_has_no_name(pair, unknown):
    base, new = pair(environment=unknown)
    assert machine_of(base) == "amd-epyc-2-cores-24-gb-x86-64"
    assert machine_of(new) == ""
    assert not same_machine(base, new)
