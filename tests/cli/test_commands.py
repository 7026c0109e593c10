"""The commands as a user runs them: real processes, real files, the codes they exit with."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import idxbench
from idxbench.records import COLUMNS

FAST = """
[[index]]
kind = "hnswlib"
M = 8
ef_construction = 40
ef = [10, 40]
[similar]
sample = 200
[clusters]
counts = [5]
seeds = 2
[measure]
rounds = 2
"""

GAUSSIAN = """
name = "g"
[data]
source = "gaussian"
n_items = 600
n_queries = 80
n_dims = 8
norm_spread = 0.5
clusters = 4
"""


def wait_for(parent: Path, word: str) -> None:
    """Wait until a word stands in the journal of a run."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(word in file.read_text() for file in parent.glob("*/journal.jsonl")):
            return
        time.sleep(0.05)
    raise AssertionError(f"no {word} within two minutes")


def children_of(folder: Path) -> list[str]:
    """Return the command lines of processes that work for a run, where Linux shows them."""
    found = [file.read_bytes().replace(b"\0", b" ").decode() for file in _command_lines()]
    return [line for line in found if "worker" in line and str(folder) in line]


def _command_lines():
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        if file.exists():
            yield file


def run_directory(parent: Path) -> Path:
    (folder,) = parent.iterdir()
    return folder


def test_run_writes_everything_and_report_prints_the_same(call, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(GAUSSIAN + FAST)
    done = call("run", config)
    folder = run_directory(tmp_path / "results" / "g")
    assert sorted(file.name for file in folder.iterdir()) == [
        "config.toml", "heatmaps.npz", "journal.jsonl", "measurements.csv", "queries.npz", "report.html", "rounds.csv",
        "run.json",
    ]  # fmt: skip
    assert (folder / "config.toml").read_text() == config.read_text()
    info = json.loads((folder / "run.json").read_text())
    assert (info["status"], info["exit_status"], info["schema_version"]) == ("finished", 0, 1)
    assert info["data"]["items"]["n_rows"] == 600
    assert set(info["data"]["fingerprints"]) == {"items", "queries"}
    with (folder / "measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    journal = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert sum(len(line["rows"]) for line in journal) == len(rows)
    assert {line["status"] for line in journal} == {"ok"}
    samples = np.load(folder / "queries.npz")
    assert len(samples["cells"]) == 3 * 2
    assert samples["0/recall_own@10"].shape == (80,)
    assert samples["0/latency"].shape == (2, 80)

    assert done.stderr == ""
    assert max(len(line) for line in done.stdout.splitlines() if "Written to" not in line) <= 100
    for title in ("Strategies:", "Retrieve: top 10", "Indexes", "Similar:", "Cluster:", "Decision"):
        assert title in done.stdout
    tables = done.stdout.rpartition("Written to")[0]
    assert call("report", folder).stdout.rpartition("Written to")[0] == tables
    assert call("report", tmp_path / "results" / "g").stdout.rpartition("Written to")[0] == tables
    everything = call("report", "--all", folder).stdout
    assert "worst queries" in everything
    assert "worst queries" not in done.stdout

    loaded = idxbench.load_run(folder)
    table = loaded.table
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == len(rows)
    names = set(table.metric)
    assert {
        "recall", "exact_overlap", "metric_loss", "index_loss", "qps_batch", "latency_p50", "latency_p95",
        "latency_p99", "build_time", "index_bytes", "memory_peak", "unreachable_share", "short_results",
        "neighbor_overlap", "ari", "ami", "cluster_drift", "moved_share", "largest_cluster_share",
        "ari_seed_floor", "hub_gini", "antihub_share", "label_agreement", "truth_time", "compile_time",
    } <= names  # fmt: skip
    assert set(table[table.metric == "recall"].reference) == {"own", "task", "labels"}
    assert {"score_corr", "floor", "chance"} <= set(table[table.metric == "neighbor_overlap"].reference)


def test_numbers_agree_with_an_independent_computation(call, tmp_path):
    """Recall of every cell again, in float64 NumPy, from the files and the exported samples alone."""
    rng = np.random.default_rng(1)
    items, queries = rng.normal(size=(500, 6)), rng.normal(size=(60, 6))
    np.save(tmp_path / "items.npy", items.astype("f4"))
    np.save(tmp_path / "queries.npy", queries.astype("f4"))
    (tmp_path / "c.toml").write_text(
        '[data]\nitems = "items.npy"\nqueries = "queries.npy"\ntrained_with = "dot"\n'
        '[[strategy]]\ntransform = "normalized"\n[[index]]\nkind = "exact"\n[measure]\nrounds = 1\n'
    )
    call("run", "c.toml")
    run = idxbench.load_run(tmp_path / "results" / "run")
    scores = queries.astype("f4").astype(float) @ items.astype("f4").astype(float).T
    by_dot = np.argsort(-scores, axis=1)[:, :10]
    cosines = scores / np.linalg.norm(items.astype("f4").astype(float), axis=1)
    by_cosine = np.argsort(-cosines, axis=1)[:, :10]
    expected = np.array([len(set(a) & set(b)) / 10 for a, b in zip(by_dot, by_cosine, strict=True)])
    with np.load(run.path / "queries.npz") as samples:
        np.testing.assert_allclose(samples["0/recall_task@10"], expected, atol=1e-6)
        assert (samples["0/recall_own@10"] == 1).all()
    table = run.table
    overlap = table[(table.metric == "exact_overlap")].value.item()
    loss = table[(table.metric == "metric_loss")].value.item()
    assert overlap == pytest.approx(expected.mean())
    assert loss == pytest.approx(1 - expected.mean())


def test_a_strategy_called_like_markup_stays_text(call, tmp_path):
    (tmp_path / "c.toml").write_text(
        GAUSSIAN + '[[strategy]]\ntransform = "raw"\nname = "[red]<script>[/red]"\n' + FAST
    )
    assert "[red]<script>[/red]" in call("run", "c.toml").stdout.replace("\n", "")


def test_plan_says_what_would_run_and_does_nothing(call, tmp_path):
    (tmp_path / "c.toml").write_text(GAUSSIAN + FAST)
    done = call("run", "c.toml", "--plan")
    assert "6 cells: 3 builds" in done.stdout
    assert not (tmp_path / "results").exists()


def test_only_and_out_and_threads(call, tmp_path):
    (tmp_path / "c.toml").write_text(GAUSSIAN + FAST)
    done = call("run", "c.toml", "--only", "raw", "--out", tmp_path / "here", "--threads", "1")
    assert "normalized" not in done.stdout
    info = json.loads((run_directory(tmp_path / "here") / "run.json").read_text())
    assert info["environment"]["threads"] == 1
    assert info["only"] == ["raw"]
    bad = call("run", "c.toml", "--only", "rax", code=2)
    assert "did you mean 'raw'" in bad.stderr


def test_a_failed_cell_keeps_its_row_and_the_code_is_4(call, tmp_path):
    """The child of one strategy dies; the others are measured, and the row says why."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, os\n"
        "if any('worker' in a for a in getattr(sys, 'orig_argv', [])) and 'build-1' in ' '.join(sys.orig_argv):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    (tmp_path / "c.toml").write_text(GAUSSIAN + FAST)
    done = call("run", "c.toml", code=4, PYTHONPATH=str(tmp_path))
    text = " ".join(done.stdout.split())
    assert "failed: the child process was killed by SIGKILL" in text
    folder = run_directory(tmp_path / "results" / "g")
    assert json.loads((folder / "run.json").read_text())["exit_status"] == 4
    run = idxbench.load_run(folder)
    assert [row.search for row in run.measurements if row.metric == "failed"] == ['{"ef":10}', '{"ef":40}']
    assert {row.strategy for row in run.measurements if row.metric == "qps_batch"} == {"raw", "rescaled"}


EXACT = "".join(
    f'[[index]]\nkind = "{kind}"\n' for kind in ("exact", "numpy", "faiss-flat", "sklearn", "usearch-exact")
)


def test_exact_searches_are_compared_in_one_run(call, tmp_path):
    (tmp_path / "c.toml").write_text(f'tasks = ["retrieve"]\n{GAUSSIAN}{EXACT}[measure]\nrounds = 2\n')
    done = call("run", "c.toml")
    table = idxbench.load_run(tmp_path / "results" / "g").table
    found = table[(table.metric == "recall") & (table.reference == "own")]
    assert len(found) == 3 * 5
    assert (found.value == 1).all()
    assert (table[table.metric == "qps_batch"].value > 0).all()
    tables = set(done.stdout.partition("\nWarnings")[0].split())
    assert {"exact", "numpy", "faiss-flat", "sklearn", "usearch-exact"} <= tables
    assert not {"ef", "unreachable"} & tables
    plan = call("run", "c.toml", "--plan").stdout
    assert "15 cells: 15 builds" in plan
    assert "ef" not in plan.split()


def test_a_library_that_is_missing_is_told_before_any_work(call, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules.update(faiss=None, usearch=None)\n")
    (tmp_path / "c.toml").write_text(f'tasks = ["retrieve"]\n{GAUSSIAN}{EXACT}[measure]\nrounds = 1\n')
    for plan in ((), ("--plan",)):
        done = call("run", "c.toml", *plan, code=2, PYTHONPATH=str(tmp_path))
        assert done.stdout == ""
        assert "2 errors" in done.stderr
        assert "c.toml: index[2].kind\n  expected: faiss, which 'faiss-flat' runs on" in done.stderr
        assert "pip install 'idxbench[faiss]'" in done.stderr
        assert "pip install 'idxbench[usearch]'" in done.stderr
    assert not (tmp_path / "results").exists()
    call("run", "c.toml", "--only", "numpy", "--only", "raw", PYTHONPATH=str(tmp_path))


def assert_ready_to_resume(folder):
    """Of what a run works with only built indexes stay, which a resumed one loads."""
    work = folder / "work"
    assert not work.exists() or [path.name for path in work.iterdir()] == ["indexes"]


def test_ctrl_c_exits_130_and_keeps_what_was_measured(tmp_path, cache):
    (tmp_path / "c.toml").write_text(GAUSSIAN + FAST.replace("rounds = 2", "rounds = 1000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "idxbench", "run", "c.toml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"IDXBENCH_CACHE_DIR": str(cache)},
        text=True,
    )
    journal = tmp_path / "results" / "g"
    wait_for(journal, '"kind": "build"')
    process.send_signal(2)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    folder = run_directory(journal)
    assert children_of(folder) == []
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert_ready_to_resume(folder)
    assert any(row.metric == "exact_overlap" for row in idxbench.load_run(folder).measurements)


def test_being_told_to_stop_leaves_no_process_behind(tmp_path, cache):
    """``timeout``, schedulers and containers send SIGTERM: the same clean-up as after Ctrl-C, and their own code."""
    (tmp_path / "c.toml").write_text(GAUSSIAN + FAST.replace("rounds = 2", "rounds = 1000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "idxbench", "run", "c.toml"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"IDXBENCH_CACHE_DIR": str(cache)},
        text=True,
    )
    wait_for(tmp_path / "results" / "g", '"kind": "build"')
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    assert "Traceback" not in errors
    folder = run_directory(tmp_path / "results" / "g")
    assert children_of(folder) == []
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert_ready_to_resume(folder)


def test_a_full_disk_behind_standard_output_is_said(tmp_path, call):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    (tmp_path / "c.toml").write_text(GAUSSIAN + FAST)
    call("run", "c.toml", "--only", "raw")
    done = subprocess.run(
        f"{sys.executable} -m idxbench report results/g > /dev/full",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "standard output" in done.stderr
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_piped_lines_have_no_trailing_blanks_and_follow_columns(tmp_path, call):
    (tmp_path / "c.toml").write_text(GAUSSIAN + FAST)
    call("run", "c.toml", "--only", "raw")
    for columns, widest in (("", 100), ("60", 100), ("140", 140)):
        lines = call("report", "results", COLUMNS=columns).stdout.splitlines()
        assert all(line == line.rstrip() for line in lines)
        assert max(map(len, lines)) <= widest


def test_broken_pipes_are_no_errors(tmp_path, call):
    (tmp_path / "c.toml").write_text(GAUSSIAN + FAST)
    call("run", "c.toml", "--only", "raw")
    done = subprocess.run(
        f"set -o pipefail; {sys.executable} -m idxbench report results/g | head -1",
        shell=True,
        executable="/bin/bash",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_init_convert_and_run_on_ones_own_files(call, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "both.npz",
        items=rng.normal(size=(400, 6)).astype("f4"),
        queries=rng.normal(size=(50, 6)).astype("f4"),
    )
    call("convert", "both.npz", "items.fvecs", "--key", "items")
    call("convert", "both.npz", "queries.fbin", "--role", "queries")
    call("convert", "items.fvecs", "items.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "items.npy"), np.load(tmp_path / "both.npz")["items"])
    refused = call("convert", "items.fvecs", "items.npy", code=2)
    assert "--force" in refused.stderr or "overwrite" in refused.stderr
    call("convert", "items.fvecs", "items.npy", "--force")
    (tmp_path / "labels.tsv").write_text("label\n" + "\n".join("ab"[i % 2] for i in range(400)) + "\n")
    call("init", "items.fvecs", "--queries", "queries.fbin", "--labels", "labels.tsv", "--out", "mine.toml")
    text = (tmp_path / "mine.toml").read_text()
    assert 'items = "items.fvecs"           # 400 x 6' in text
    assert 'labels = "labels.tsv"' in text
    refused = call("init", "items.fvecs", "--out", "mine.toml", code=2)
    assert "--force" in refused.stderr
    done = call("run", "mine.toml")
    assert "400 items x 6, 50 queries" in done.stdout
    assert "same label" in done.stdout


def test_init_looks_closer(call, tmp_path):
    """Ratings are offered as ratings, labels in the file are found, columns can be named, bad rows are refused."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "r.npz", user=np.arange(9), item=np.arange(9), rating=np.ones(9), genres=np.eye(9))
    call("init", "r.npz", "--out", "r.toml")
    assert 'source = "factorized"' in (tmp_path / "r.toml").read_text()
    np.savez(tmp_path / "m.npz", images=rng.normal(size=(60, 4)), labels=rng.integers(0, 3, 60))
    call("init", "m.npz", "--out", "m.toml")
    text = (tmp_path / "m.toml").read_text()
    assert 'items = { path = "m.npz", key = "images" }' in text
    assert 'labels = { path = "m.npz", key = "labels" }' in text
    assert "3 classes" in text
    call("run", "m.toml", "--plan")
    np.save(tmp_path / "x.npy", rng.normal(size=(60, 4)))
    (tmp_path / "l.tsv").write_text("word\tkind\n" + "".join(f"w{i}\tk{i % 2}\n" for i in range(60)))
    refused = call("init", "x.npy", "--labels", "l.tsv", "--out", "l.toml", code=2)
    assert "--label-key" in refused.stderr
    call("init", "x.npy", "--labels", "l.tsv", "--label-key", "kind", "--out", "l.toml")
    assert f'name = "{tmp_path.name}-x"' in (tmp_path / "l.toml").read_text()
    np.save(tmp_path / "nan.npy", np.array([[1.0, 2.0], [np.nan, 0.0]]))
    refused = call("init", "nan.npy", "--out", "n.toml", code=2)
    assert "first in rows 1" in refused.stderr
    assert not (tmp_path / "n.toml").exists()


@pytest.mark.parametrize("files", [(), ("both.npz",), ("unit.npy",), ("small.npy",)])
def test_what_init_writes_is_a_config_that_plans(call, tmp_path, files):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "both.npz", items=rng.normal(size=(400, 6)), queries=rng.normal(size=(50, 6)))
    unit = rng.normal(size=(300, 4))
    np.save(tmp_path / "unit.npy", unit / np.linalg.norm(unit, axis=1, keepdims=True))
    np.save(tmp_path / "small.npy", np.ones((1, 1)))
    call("init", *files)
    text = (tmp_path / "idxbench.toml").read_text()
    assert "Asks" not in text
    if files == ("unit.npy",):
        assert 'trained_with = "cosine"' in text
        assert "holdout = 30" in text
    if files == ("both.npz",):
        assert "queries = " in text
    call("run", "idxbench.toml", "--plan")


def test_version_and_completion_and_help(call):
    assert call("--version").stdout == f"idxbench {idxbench.__version__}\n"
    assert "complete -o default" in call("--show-completion", "bash").stdout
    for command in ("run", "report", "truth", "init", "convert"):
        assert "Usage: " in call(command, "--help").stdout
    assert "Exit codes" in call("--help").stdout


def test_report_of_nothing(call, tmp_path):
    done = call("report", tmp_path, code=2)
    assert "no finished run in it" in done.stderr
    done = call("report", tmp_path / "nowhere", code=2)
    assert "no such folder" in done.stderr
