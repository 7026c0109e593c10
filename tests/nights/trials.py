"""Does the gate see a planted slowdown, and stay silent without one? Many runs on this machine, each gated.

``python -m tests.nights.trials --trials 40 --out DIR`` makes, per trial, one run of one hnswlib index in several
environments that take turns: this Python; itself once more ("same"); two whose searches spin on for 10 % and 20 % of
the time they took; one whose ef is 2 smaller than it was told, for about .01 of recall (`tests.nights.planted`).
Each is gated against the first as ``idxbench gate`` does it. Prints, per environment and metric, how often each verdict
came.
"""

import argparse
import collections
import json
import subprocess
import sys
import time
from pathlib import Path

import tomli_w

from tests.nights.planted import planted_python

IDXBENCH = [sys.executable, "-m", "idxbench"]
BASE = "base"
PLANTED = {BASE: {}, "same": {}, "slower10": {"slower": 0.10}, "slower20": {"slower": 0.20}, "less": {"less_ef": 2}}


def config(*, rounds: int, budget: float, pythons: dict[str, Path]) -> dict:
    index = {"kind": "hnswlib", "M": 16, "ef_construction": 100, "ef": [40]}
    return {
        "name": "trials",
        "threads": 2,
        "tasks": ["retrieve"],
        "data": {"source": "gaussian", "n_items": 10_000, "n_queries": 400, "n_dims": 64, "norm_spread": 0.3},
        "strategy": [{"transform": "raw", "similarity": "dot"}],
        "index": [index | {"environment": name} for name in pythons],
        "environment": {name: {"python": str(path)} for name, path in pythons.items()},
        "measure": {"rounds": rounds, "budget": budget},
    }


def one_run(path: Path, out: Path) -> Path:
    """Run the config as a user would; return the run directory."""
    subprocess.run([*IDXBENCH, "run", str(path), "--out", str(out)], check=True, capture_output=True)
    return max(folder.parent for folder in out.glob("*/run.json"))


def gated(run: Path, name: str, out: Path) -> tuple[int, list[dict]]:
    """Gate one environment against the first; return the exit code and every change."""
    sides = f"{run}::environment={name}", f"{run}::environment={BASE}"
    command = [*IDXBENCH, "gate", sides[0], "--baseline", sides[1], "--out", str(out)]
    code = subprocess.run(command, capture_output=True, check=False).returncode
    return code, json.loads((out / "verdict.json").read_text(encoding="utf-8"))["changes"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--budget", type=float, default=180.0)
    parser.add_argument("--planted", nargs="*", choices=list(PLANTED)[1:], default=list(PLANTED)[1:])
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    names = [BASE, *given.planted]
    pythons = {name: planted_python(given.out / "pythons" / name, **PLANTED[name]) for name in names}
    path = given.out / "trials.toml"
    path.write_text(tomli_w.dumps(config(rounds=given.rounds, budget=given.budget, pythons=pythons)), encoding="utf-8")
    counts: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for trial in range(given.trials):
        start = time.perf_counter()
        run = one_run(path, given.out / "runs")
        seconds = time.perf_counter() - start
        told = []
        for name in given.planted:
            code, changes = gated(run, name, given.out / "gates" / f"{trial}-{name}")
            counts[name, "exit code"][str(code)] += 1
            for change in changes:
                if change["gated"]:
                    counts[name, change["measure"]][change["verdict"]] += 1
            told.append(f"{name} {code}")
        print(f"trial {trial}: {seconds:.0f} s; exit codes: {', '.join(told)}", flush=True)
    for (name, metric), counter in counts.items():
        print(f"{name:<10} {metric:<24} " + "  ".join(f"{verdict} {n}" for verdict, n in counter.most_common()))


if __name__ == "__main__":
    main()
