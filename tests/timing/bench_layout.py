"""Does it matter where a process's memory lies? ``python -m tests.timing.bench_layout [--launches N] [--rounds N]``.

Processes load one and the same hnswlib index and take turns. They differ in nothing but how many variables their
environment has, which moves everything that they ask memory for. Prints how much longer each takes than the first,
with the exact 99 % interval over rounds. While queries began where they happened to, one of six environments took .965
[.958, .973] of the others' time, launch after launch; now that they begin with a page, all lie within .988 and 1.003
(`idxbench.timing.worker.aligned`).
"""

import argparse
import random
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from idxbench.measures.intervals import median_interval
from idxbench.timing import child
from idxbench.timing.child import Child
from idxbench.timing.worker import Job

VARIABLES = (0, 1, 3, 5, 8, 10)
N_ITEMS, N_QUERIES, N_DIMS = 10_000, 400, 64


def job(folder: Path, mode: str, out: Path) -> Job:
    out.mkdir()
    return Job(
        mode=mode, items=str(folder / "items.npy"), queries=str(folder / "queries.npy"), out=str(out),
        saved=str(folder / "index"), kind="hnswlib", parameters={"M": 16, "ef_construction": 100},
        searches=[{"ef": 40}], similarity="dot", k=10, seed=0, build_threads=1, search_threads=2,
    )  # fmt: skip


def launched(folder: Path, launch: int, rounds: int) -> list[list[tuple[float, float]]]:
    """Return, per environment, the median latency and the time of a batch in every round of one launch."""
    found: list[list[tuple[float, float]]] = [[] for _ in VARIABLES]
    usual = child._environment
    with ExitStack() as processes:
        children = []
        for n in VARIABLES:
            more = {f"MORE_{i}": "1" for i in range(n)}
            child._environment = lambda job, more=more: usual(job) | more
            out = folder / f"{launch}-{n}"
            children.append(processes.enter_context(Child(job(folder, "load", out), out)))
            child._environment = usual
            children[-1].load()
        for number in range(rounds):
            order = random.Random(f"{launch} {number // 2}").sample(range(len(VARIABLES)), len(VARIABLES))
            for position in order if number % 2 == 0 else order[::-1]:
                turn = children[position].turn(0, number)
                found[position].append((float(np.median(turn.single_s)), turn.batch_s))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, rng = Path(scratch), np.random.default_rng(0)
        np.save(folder / "items.npy", rng.normal(size=(N_ITEMS, N_DIMS)).astype(np.float32))
        np.save(folder / "queries.npy", rng.normal(size=(N_QUERIES, N_DIMS)).astype(np.float32))
        out = folder / "build"
        with Child(job(folder, "build", out), out) as building:
            building.build(lambda n: None)
        launches = [launched(folder, launch, given.rounds) for launch in range(given.launches)]
    times = np.log(np.concatenate(launches, axis=1))  # (environment, round, metric)
    for position, n in enumerate(VARIABLES[1:], start=1):
        for metric, name in enumerate(("p50", "batch")):
            ratio = median_interval(times[position, :, metric] - times[0, :, metric], level=0.99)
            ends = f"[{np.exp(ratio.low):.3f}, {np.exp(ratio.high):.3f}]"
            print(f"{n:>2} more variables: {name:<5} {np.exp(ratio.value):.3f} {ends} n={ratio.n}")


if __name__ == "__main__":
    main()
