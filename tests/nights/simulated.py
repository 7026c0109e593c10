"""Print what the rules do on simulated nights.

``python -m tests.nights.simulated --nights 90 --series 40 --repeats 5``; ``--rounds`` for the rule of one night.
"""

import argparse
import math
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from tests.nights.paired import paired_shares
from tests.nights.rules import episodes, last_against_previous, nights_to, ours, robust_z
from tests.nights.simulate import KINDS, SD, plant, simulate

STEPS = (0.05, 0.1, 0.2)
WATCHED = 30


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=90)
    parser.add_argument("--series", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sd", type=float, default=SD, help="of a night, in logs")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", action="store_true", help="the paired rule of one night's rounds instead")
    given = parser.parse_args()
    if given.rounds:
        print_rounds(given.repeats)
        return
    kinds = [*KINDS, "drift, 2 series"]
    with ProcessPoolExecutor(given.processes) as pool:
        jobs = {kind: [pool.submit(one, kind, given, repeat) for repeat in range(given.repeats)] for kind in kinds}
        found = {kind: [job.result() for job in made] for kind, made in jobs.items()}
    print(f"\n{given.nights} nights, {given.series} series, {given.repeats} repeats, sd {given.sd:.0%}\n")
    print("False alarms per series, confirmed ones for ours (candidates; and of all together, per machine)\n")
    print(f"{'noise':16} {'ours':>6} {'(candid.)':>10} {'(together)':>11} {'last > 5 %':>11} {'robust z':>9}")
    for kind, repeats in found.items():
        mean = np.mean([one["false"] for one in repeats], axis=0)
        print(f"{kind:16} {mean[0]:6.2f} {mean[1]:10.2f} {mean[2]:11.2f} {mean[3]:11.2f} {mean[4]:9.2f}")
    print(f"\nOf steps in 3 of 10 series: share found within {WATCHED} nights, and median nights until then\n")
    head = "".join(f"{f'{rule} +{step:.0%}':>16}" for step in STEPS for rule in ("ours", "last", "z"))
    print(f"{'noise':16}{head}")
    for kind, repeats in found.items():
        cells = []
        for step in STEPS:
            for rule in range(3):
                took = np.concatenate([one["took"][step][rule] for one in repeats])
                within = np.isfinite(took)
                median = np.median(np.where(within, took, math.inf))
                cells.append(
                    f"{within.mean():.0%} in {median:.0f}" if math.isfinite(median) else f"{within.mean():.0%}"
                )
        print(f"{kind:16}" + "".join(f"{cell:>16}" for cell in cells))


def one(kind, given, repeat):
    """Simulate one machine: what is found where nothing changed, and where steps were planted."""
    few = kind == "drift, 2 series"
    kind, series = ("drift", 2) if few else (kind, given.series)
    options = {"series": series, "nights": given.nights, "sd": given.sd}
    quiet = simulate(kind, seed=repeat, **options)
    candidate, confirmed, together = ours(quiet)
    others = [episodes(rule(quiet)) / series for rule in (last_against_previous, robust_z)]
    false = [episodes(confirmed) / series, episodes(candidate) / series, episodes(together), *others]
    at = given.nights - WATCHED
    moved = slice(0, max(1, 3 * series // 10))
    took = {}
    for step in STEPS:
        changed = plant(simulate(kind, seed=1000 + repeat, **options), step, at=at, which=moved)
        _, confirmed, _ = ours(changed, start=at)
        alarms = (confirmed, last_against_previous(changed), robust_z(changed))
        took[step] = [nights_to(alarm, at)[moved] for alarm in alarms]
    return {"false": false, "took": took}


def print_rounds(repeats):
    trials = 200 * repeats
    print(f"\nShare called regressed, exact 99 % interval beyond 5 %, {trials} trials\n")
    print(f"{'sd':>5} {'noise':>8} {'rounds':>7}" + "".join(f"{f'+{step:.0%}':>8}" for step in (0.0, *STEPS)))
    for sd in (0.05, 0.1, 0.15):
        for heavy in (False, True):
            for n in (10, 20, 40, 80, 160):
                shares = [
                    paired_shares(step, sd=sd, n=n, trials=trials, heavy=heavy)["regressed"] for step in (0.0, *STEPS)
                ]
                cells = "".join(f"{share:8.1%}" for share in shares)
                print(f"{sd:5.2f} {'t2' if heavy else 'normal':>8} {n:7d}{cells}", flush=True)


if __name__ == "__main__":
    main()
