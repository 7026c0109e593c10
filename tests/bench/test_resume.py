"""Runs that are interrupted and resumed: what is done is not done again, and the end is that of an undisturbed run."""

import json
import random
import shutil

import numpy as np
import pytest

from idxbench.api import run
from idxbench.bench import items_job, probes, recover, runner, validate
from idxbench.errors import DataError, ResultError
from idxbench.records import load_run
from idxbench.store.rundir import RunDirectory
from tests.store import kill_trials

CONFIG = {
    "name": "r",
    "threads": 1,
    "tasks": ["similar", "cluster"],
    "data": {"source": "gaussian", "n_items": 300, "n_queries": 60, "n_dims": 5, "clusters": 3},
    "strategy": [{"transform": "raw"}, {"transform": "normalized"}],
    "clusters": {"counts": [3], "seeds": 2},
    "probe": [{"kind": "diagonal", "strength": [0.5, 1.0], "seeds": 2}],
    "validation": {},
    "recover": {"seeds": 1, "supervised": True},
    "cache": False,
}
SIMULATED = {
    "name": "s",
    "threads": 1,
    "tasks": [],
    "data": {"source": "simulated", "n_users": 300, "n_items": 60, "n_clusters": 3, "rank": 8},
    "strategy": [{"transform": "raw", "similarity": "cosine"}],
    "recover": {
        "seeds": 3,
        "supervised": True,
        "heatmaps": True,
        "model": [{"name": "one"}, {"name": "two", "objective": 2}],
    },
}
COUNTED = (
    (items_job, "item_neighbors"),
    (items_job, "cluster"),
    (probes, "_point"),
    (recover, "pair_auc"),
    (validate, "label_agreement"),
)


@pytest.fixture
def work(monkeypatch):
    """Count the calls of what is expensive."""
    calls: dict[str, int] = {}

    def counting(name, function):
        def counted(*arguments, **options):
            calls[name] = calls.get(name, 0) + 1
            return function(*arguments, **options)

        return counted

    for module, name in COUNTED:
        monkeypatch.setattr(module, name, counting(name, getattr(module, name)))
    return calls


@pytest.fixture
def stop_after(monkeypatch):
    """Return a function that makes the next run end as by Ctrl-C once it has written so many units."""
    real = RunDirectory.append

    def stop(n):
        written = []

        def append(self, *arguments, **options):
            real(self, *arguments, **options)
            written.append(arguments[0])
            if len(written) == n:
                raise KeyboardInterrupt

        monkeypatch.setattr(RunDirectory, "append", append)

    yield stop
    monkeypatch.setattr(RunDirectory, "append", real)


def units(folder):
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return [json.dumps(line["unit"]) for line in lines if line["unit"]["kind"] != "session"]


@pytest.mark.parametrize("config", [CONFIG, SIMULATED], ids=["items", "simulated"])
def test_interrupted_after_every_single_unit(tmp_path, work, stop_after, config):
    """One unit a session: all in the end, none of them twice, and no more work than in one go."""
    twin = run(config, out=tmp_path / "twin").path
    of_twin = dict(work)
    work.clear()
    n = 0
    while n < 60:
        stop_after(1)
        try:
            done = run(config, out=tmp_path / "out", resume=True)
            break
        except KeyboardInterrupt as stop:
            assert "continue with: the same call with resume=True" in str(stop)  # noqa: PT017
            assert len(list((tmp_path / "out").iterdir())) == 1
            n += 1
    assert n == len(units(twin)) > 6
    assert kill_trials.differences(done.path, twin) == ()
    assert sorted(units(done.path)) == sorted(units(twin)) == sorted(set(units(twin)))
    of_twin["item_neighbors"] = of_twin.get("item_neighbors", 0)
    # The neighbours by the reference are found once more for each strategy that is compared with them.
    allowed = {"item_neighbors": 2}
    assert all(work.get(name, 0) <= count + allowed.get(name, 0) for name, count in of_twin.items()), (work, of_twin)
    assert done.info["sessions"] == n + 1


def test_notices_and_facts_come_back(tmp_path, stop_after):
    """Those of units that are not done again, in the place where they were."""
    config = CONFIG | {"data": CONFIG["data"] | {"n_queries": 8}}
    codes = [notice.code for notice in run(config, out=tmp_path / "twin").notices]
    assert "reference-noisy" in codes
    stop_after(8)
    with pytest.raises(KeyboardInterrupt):
        run(config, out=tmp_path / "out")
    done = run(config, out=tmp_path / "out", resume=True)
    assert [notice.code for notice in done.notices] == codes


@pytest.mark.parametrize("moment", [1, 5])
def test_nothing_left_behind_where_nothing_was_measured(tmp_path, monkeypatch, moment):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "load_inputs" if moment == 1 else "compile_kernels", stop)
    with pytest.raises(KeyboardInterrupt, match="before anything was measured: nothing is left behind"):
        run(CONFIG, out=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def interrupted(tmp_path, stop_after, config=CONFIG, n=4):
    stop_after(n)
    with pytest.raises(KeyboardInterrupt):
        run(config, out=tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    return folder


def codes(done):
    return {notice.code: notice.text for notice in done.notices}


def test_another_config_begins_afresh_and_says_so(tmp_path, stop_after):
    first = interrupted(tmp_path, stop_after)
    done = run(CONFIG | {"seed": 3}, out=tmp_path / "out", resume=True)
    assert done.path != first
    assert codes(done)["nothing-to-resume"] == (
        f"nothing to resume: the newest run there, {first.name}, has another configuration (differing in: seed); "
        "this run began afresh"
    )
    assert json.loads((first / "run.json").read_text())["status"] == "interrupted"
    # The older one is still there to be gone on with.
    assert run(CONFIG, out=tmp_path / "out", resume=True).path == first


def test_only_and_threads_are_part_of_the_configuration(tmp_path, stop_after):
    interrupted(tmp_path, stop_after)
    assert "threads" in codes(run(CONFIG, out=tmp_path / "out", resume=True, threads=2))["nothing-to-resume"]
    only = run(CONFIG, out=tmp_path / "out", resume=True, only=["raw"])
    assert "is finished" in codes(only)["nothing-to-resume"]


def test_a_finished_run_is_not_gone_on_with(tmp_path):
    first = run(CONFIG, out=tmp_path / "out")
    second = run(CONFIG, out=tmp_path / "out", resume=True)
    assert second.path != first.path
    assert codes(second)["nothing-to-resume"].startswith(
        f"nothing to resume: the newest run there, {first.path.name}, is"
    )
    third = run(CONFIG, out=tmp_path / "elsewhere", resume=True)
    assert f"there is no run in {tmp_path / 'elsewhere'}" in codes(third)["nothing-to-resume"]
    assert "nothing-to-resume" not in codes(run(CONFIG, out=tmp_path / "out"))


@pytest.mark.parametrize("what", ["code", "journal"])
def test_a_run_by_another_idxbench_is_not_gone_on_with(tmp_path, stop_after, what):
    folder = interrupted(tmp_path, stop_after)
    info = json.loads((folder / "run.json").read_text())
    info["identity" if what == "code" else "journal"] = info["identity"] | {"code": "0/0.0.1"} if what == "code" else 1
    (folder / "run.json").write_text(json.dumps(info))
    told = codes(run(CONFIG, out=tmp_path / "out", resume=True))["nothing-to-resume"]
    assert ("another idxbench (0/0.0.1" if what == "code" else "a journal that this idxbench does not") in told


def files(tmp_path, seed=0):
    rng = np.random.default_rng(seed)
    np.save(tmp_path / "items.npy", rng.normal(size=(200, 4)).astype("f4"))
    labels = "\n".join("abc"[i] for i in rng.integers(0, 3, 200))
    (tmp_path / "labels.tsv").write_text(f"label\n{labels}\n")
    data = {"items": str(tmp_path / "items.npy"), "labels": str(tmp_path / "labels.tsv"), "trained_with": "cosine"}
    return CONFIG | {"data": data, "probe": []}


@pytest.mark.parametrize(("changed", "key"), [("items.npy", "items"), ("labels.tsv", "data.labels.path")])
def test_data_that_changed_is_refused_and_the_run_stays_as_it_was(tmp_path, stop_after, changed, key):
    config = files(tmp_path)
    folder = interrupted(tmp_path, stop_after, config)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    shutil.copy(tmp_path / changed, tmp_path / "kept")
    files(tmp_path, seed=1)
    keep = {"items.npy": "labels.tsv", "labels.tsv": "items.npy"}[changed]
    if keep == "labels.tsv":
        new = np.load(tmp_path / "items.npy")
        files(tmp_path)
        np.save(tmp_path / "items.npy", new)
    else:
        text = (tmp_path / "labels.tsv").read_text()
        files(tmp_path)
        (tmp_path / "labels.tsv").write_text(text)
    with pytest.raises(DataError, match=f"data changed since: {key}\n.*without --resume"):
        run(config, out=tmp_path / "out", resume=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    shutil.copy(tmp_path / "kept", tmp_path / changed)
    assert run(config, out=tmp_path / "out", resume=True).path == folder


def test_a_damaged_journal_is_an_error_and_no_new_run(tmp_path, stop_after):
    folder = interrupted(tmp_path, stop_after)
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    (folder / "journal.jsonl").write_text("".join([lines[0], "{}\n", *lines[2:]]))
    with pytest.raises(ResultError, match=r"journal.jsonl: line 2"):
        run(CONFIG, out=tmp_path / "out", resume=True)
    assert not (folder / "lock").exists()


def test_what_failed_is_tried_again(tmp_path, monkeypatch, stop_after):
    """A strategy that could not be fitted in one world, say: neither that world nor its model counts as done."""
    real = recover.pair_auc
    monkeypatch.setattr(recover, "pair_auc", failing_once(real))
    stop_after(12)
    with pytest.raises(KeyboardInterrupt):
        run(SIMULATED, out=tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    failed = [line for line in (folder / "journal.jsonl").read_text().splitlines() if '"status": "failed"' in line]
    assert [json.loads(line)["unit"].get("seed", "all") for line in failed] == [0, "all"]
    monkeypatch.setattr(recover, "pair_auc", real)
    done = run(SIMULATED, out=tmp_path / "out", resume=True)
    assert done.info["exit_status"] == 0
    twin = run(SIMULATED, out=tmp_path / "twin")
    assert kill_trials.differences(done.path, twin.path) == ()


def failing_once(real):
    from idxbench.errors import Problem

    calls = []

    def pair_auc(*arguments, **options):
        calls.append(1)
        if len(calls) == 4:
            raise DataError(Problem("strategy", "memory", "none"))
        return real(*arguments, **options)

    return pair_auc


def test_ids_of_units_know_what_they_depend_on(tmp_path):
    def ids(**changes):
        done = run(CONFIG | {"probe": [], "recover": None} | changes, out=tmp_path / "out")
        lines = [json.loads(line) for line in (done.path / "journal.jsonl").read_text().splitlines()]
        return {json.dumps(line["unit"]): line["id"] for line in lines if line["unit"]["kind"] != "session"}

    first = ids()
    assert ids(name="other") == first  # what a run is called is no part of what is measured
    other = ids(clusters={"counts": [3], "seeds": 3})
    changed = {unit for unit in first if first[unit] != other[unit]}
    assert changed == {unit for unit in first if '"cluster"' in unit}
    other = ids(data=CONFIG["data"] | {"seed": 5})
    assert not set(first.values()) & set(other.values())


def test_killed_again_and_again(tmp_path):
    """The small form of ``python -m tests.store.kill_trials``."""
    twin = kill_trials.undisturbed(tmp_path / "twin")
    trial = kill_trials.one_run(tmp_path / "killed", twin, 3, random.Random(0))
    assert trial.problems == ()
    assert load_run(twin).info["sessions"] == 1
