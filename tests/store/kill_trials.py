"""Runs killed at random moments, again and again, and resumed until they are whole: are they what they should be?

``python -m tests.store.kill_trials --kills 50 --seed 0`` prints a table, a row per run, and ends with 1 where a run
is not that of the undisturbed twin: a cell lost, measured twice, or a figure that no clock is behind changed.
Half of the kills come at a moment drawn at random, the others shortly after a line was written. Since a line is
written in one go, a kill hardly ever tears one; so after every second kill the last line is cut off at a random byte,
which is what a kill, a crash or a full disk within that write leaves behind.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idxbench.machine import cache_root

CONFIG = """
name = "g"
k = [5, 10]
threads = 1
[data]
source = "gaussian"
n_items = 500
n_queries = 60
n_dims = 8
norm_spread = 0.5
clusters = 4
[[strategy]]
transform = "raw"
[[strategy]]
transform = "score_corr"
[[index]]
kind = "hnswlib"
M = [4, 8]
ef_construction = 40
ef = [10, 40]
[[index]]
kind = "numpy"
[similar]
sample = 200
[clusters]
counts = [4, 8]
seeds = 3
[measure]
rounds = 3
[[probe]]
kind = "diagonal"
strength = [0.3, 1.0]
seeds = 2
[[probe]]
kind = "axis"
strength = 1000.0
[validation]
[recover]
seeds = 1
supervised = true
"""

KEY = ("task", "strategy", "similarity", "index", "build", "search", "k", "metric", "reference")
# What the machine decides, and not the data.
OF_THE_MACHINE = ("latency", "qps", "response", "time", "memory_peak", "batch_threads", "control")
OF_THE_SESSION = ("started", "seconds", "sessions", "environment", "rounds")
OF_THE_NIGHT = ("disturbed", "unstable", "not-settled", "overloaded")


@dataclass
class Trial:
    """What became of one run."""

    kills: int = 0
    resumes: int = 0
    torn: int = 0
    cut: int = 0
    lines: int = 0
    problems: tuple[str, ...] = ()


def start(folder: Path, *options: str) -> subprocess.Popen:
    caches = {"IDXBENCH_CACHE_DIR": str(folder / "cache")}
    caches["NUMBA_CACHE_DIR"] = os.environ.get("NUMBA_CACHE_DIR", str(cache_root() / "tests"))
    return subprocess.Popen(
        [sys.executable, "-m", "idxbench", "run", "c.toml", *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | caches,
        text=True,
    )


def finish(folder: Path, *options: str) -> str:
    """Run to the end; return what was said on standard error."""
    process = start(folder, *options)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, (process.returncode, said)
    return said


def newest(parent: Path) -> Path | None:
    folders = sorted(parent.glob("*/run.json"))
    return folders[-1].parent if folders else None


def keys(run: Path) -> Counter:
    with (run / "measurements.csv").open(newline="", encoding="utf-8") as file:
        return Counter(tuple(row[name] for name in KEY) for row in csv.DictReader(file))


def settled(run: Path) -> dict:
    """Return every figure that is the same whenever it is measured."""
    with (run / "measurements.csv").open(newline="", encoding="utf-8") as file:
        return {
            tuple(row[name] for name in KEY): (row["value"], row["low"], row["high"], row["n"])
            for row in csv.DictReader(file)
            if not any(word in row["metric"] for word in OF_THE_MACHINE)
        }


def told(run: Path) -> dict:
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    info["warnings"] = [one for one in info["warnings"] if one["code"] not in OF_THE_NIGHT]
    return {key: value for key, value in info.items() if key not in OF_THE_SESSION}


def differences(run: Path, twin: Path) -> tuple[str, ...]:
    """Say in what a run differs from one that nobody disturbed."""
    found = []
    mine, its = keys(run), keys(twin)
    if mine != its:
        found.append(f"{sum((its - mine).values())} rows lost, {sum((mine - its).values())} too many")
    if settled(run) != settled(twin):
        found.append("figures differ")
    info, other = told(run), told(twin)
    found += [f"run.json: {key}" for key in {**info, **other} if info.get(key) != other.get(key)]
    with np.load(run / "queries.npz") as one, np.load(twin / "queries.npz") as two:
        if sorted(one["cells"].tolist()) != sorted(two["cells"].tolist()) or len(one.files) != len(two.files):
            found.append("queries.npz")
    found += [f"{name} is left" for name in ("work", "parts", "lock") if (run / name).exists()]
    names = [{path.name for path in one.iterdir()} for one in (run, twin)]
    if names[0] != names[1]:
        found.append(f"files: {sorted(names[0] ^ names[1])}")
    return tuple(found)


def kill(folder: Path, draw: random.Random, trial: Trial, longest_s: float = 3.0) -> bool:
    """Start or resume the run, and kill it; return whether it got to its end before."""
    before = newest(folder / "results" / "g")
    journal = before / "journal.jsonl" if before else None
    size = journal.stat().st_size if journal and journal.is_file() else 0
    process = start(folder, "--resume")
    trial.resumes += before is not None
    moment = time.monotonic() + draw.uniform(0.1, longest_s)
    grown = draw.random() < 0.5
    while process.poll() is None:
        if grown:
            # A line says that the session began; what comes after that is work.
            run = newest(folder / "results" / "g")
            path = run / "journal.jsonl" if run else None
            if path and path.is_file() and path.stat().st_size > size + 400:
                time.sleep(draw.choice([0, 0.001, 0.02, 0.2]))
                break
        elif time.monotonic() > moment:
            break
        time.sleep(0.001)
    process.kill()
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said, said
    assert process.returncode in (0, -9), (process.returncode, said)
    if process.returncode == 0:
        return True
    trial.kills += 1
    run = newest(folder / "results" / "g")
    if run is not None:
        tear(run / "journal.jsonl", draw, trial)
    return False


def tear(journal: Path, draw: random.Random, trial: Trial) -> None:
    """Note a torn line; else tear the last one, every second time."""
    data = journal.read_bytes() if journal.is_file() else b""
    if data and not data.endswith(b"\n"):
        trial.torn += 1
    elif data and draw.random() < 0.5:
        begin = data[:-1].rfind(b"\n") + 1
        journal.write_bytes(data[: draw.randrange(begin, len(data))])
        trial.cut += 1


def one_run(folder: Path, twin: Path, kills: int, draw: random.Random) -> Trial:
    """Kill a run until it has had its kills or got to its end; then let it come to its end, and compare."""
    trial = Trial()
    folder.mkdir()
    (folder / "c.toml").write_text(CONFIG)
    done = False
    while not done and trial.kills < kills:
        done = kill(folder, draw, trial)
    if not done:
        finish(folder, "--resume")
        trial.resumes += 1
    run = newest(folder / "results" / "g")
    assert run is not None
    trial.lines = len((run / "journal.jsonl").read_text(encoding="utf-8").splitlines())
    trial.problems = differences(run, twin)
    return trial


def undisturbed(folder: Path) -> Path:
    """Run once without any kill."""
    folder.mkdir()
    (folder / "c.toml").write_text(CONFIG)
    finish(folder)
    run = newest(folder / "results" / "g")
    assert run is not None
    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="in all; a run that ends before is followed by another")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draw, left, trials = random.Random(asked.seed), asked.kills, []
    with tempfile.TemporaryDirectory(prefix="kill_trials.") as scratch:
        twin = undisturbed(Path(scratch) / "twin")
        print(f"undisturbed: {sum(keys(twin).values())} rows")
        print(f"{'run':>3} {'kills':>5} {'resumes':>7} {'torn':>4} {'cut':>3} {'lines':>5}  same as undisturbed")
        while left > 0:
            trial = one_run(Path(scratch) / f"run-{len(trials)}", twin, left, draw)
            trials.append(trial)
            left -= trial.kills
            verdict = "no: " + "; ".join(trial.problems) if trial.problems else "yes"
            print(
                f"{len(trials):>3} {trial.kills:>5} {trial.resumes:>7} {trial.torn:>4} {trial.cut:>3} {trial.lines:>5}"
                f"  {verdict}",
                flush=True,
            )
    print(f"{asked.kills} kills, {len(trials)} runs, {sum(bool(trial.problems) for trial in trials)} not whole")
    return int(any(trial.problems for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
