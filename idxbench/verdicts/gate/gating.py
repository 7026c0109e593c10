"""The gate as a whole: find the two sides, compare, ask the history, decide."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idxbench.config.policy import Policy
from idxbench.config.policy_file import load_policy, parse_policy
from idxbench.errors import ConfigError, Problem, ResultError
from idxbench.records import Run, load_run
from idxbench.verdicts.gate.heard import noise_by_cell, not_heard, tonights_alarms
from idxbench.verdicts.gate.incomplete import failures, newest_run, read_info, unfinished
from idxbench.verdicts.gate.outcome import judge
from idxbench.verdicts.gate.records import Gate
from idxbench.verdicts.gate.unmeasured import unmeasured
from idxbench.verdicts.runs.compare import compare_runs
from idxbench.verdicts.runs.sides import OtherConfigurationError, find_runs, load_sides, split_side

# Where a policy is when no file is given.
OWN = "[gate] of the run's config"


@dataclass(frozen=True)
class Request:
    """What to gate.

    Parameters
    ----------
    new
        A run directory, or a folder of them, meaning its newest; ``::SELECTOR`` after it takes a part.
    baseline
        The same; empty compares the two sides that the run's own config names.
    policy
        A policy file; None takes ``[gate]`` of the run's config.
    history
        Folder of the history; None for none.
    runs
        How many of the newest runs make a side.
    first_run_ok
        Whether a missing baseline passes.
    machine
        Name that the history has for the machine; empty takes the run's own word.
    """

    new: str
    baseline: str = ""
    policy: Path | None = None
    history: Path | None = None
    runs: int = 1
    first_run_ok: bool = False
    machine: str = ""


def run_folder(new: str) -> Path:
    """Return the run directory that NEW names, finished or not; the folder itself where there is none in it.

    Raises
    ------
    ResultError
        There is no such folder.
    """
    return newest_run(split_side(new)[0])


def run_gate(request: Request) -> Gate:
    """Compare, and decide.

    Raises
    ------
    ConfigError, ResultError
        A mistake in the policy, a selector or a path; a run that can't be read.
    """
    if request.machine and request.history is None:
        raise ConfigError(Problem("--machine", "--history DIR with it: that of this machine is asked", "no --history"))
    folder = run_folder(request.new)
    info = read_info(folder)
    policy, source = _policy(request, info)
    stopped = unfinished(folder)
    if stopped:
        # What it measured is no answer: pairs and cells are missing in it.
        return Gate(judge(None, incomplete=[stopped]), "", str(folder), None, policy, source)
    base, new = _sides(request, policy, folder)
    run = load_run(folder)
    absent, incompatible = _no_baseline(base, new, request.runs, run) if request.baseline else ("", False)
    alarms = tonights_alarms(request.history, run, policy, request.machine)
    compared = None
    if not absent:
        one, (two,) = load_sides(base, [new], request.runs, alike=True)
        compared = compare_runs(
            one.runs,
            two.runs,
            base_selector=one.selector,
            new_selector=two.selector,
            policy=policy,
            noise=noise_by_cell(request.history, run, policy, request.machine),
        )
    failed = tuple(failures(info))
    outcome = judge(
        compared,
        policy=policy,
        incomplete=failed,
        no_baseline=absent,
        incompatible=incompatible,
        unmeasured=[*unmeasured(policy, compared, run)] if compared else (),
        alarms=alarms,
        first_run_ok=request.first_run_ok,
        notes=[*_notes(request, policy, run)],
    )
    names = ("", str(folder)) if compared is None else (compared.base, compared.new)
    return Gate(outcome, *names, compared, policy, source, alarms, failures=failed)


def _policy(request: Request, info: Mapping[str, Any]) -> tuple[Policy, str]:
    """Return what counts as worse, and where that is said."""
    if request.policy is not None:
        return load_policy(request.policy), str(request.policy)
    config = info.get("config")
    given = config.get("gate") if isinstance(config, Mapping) else None
    # A run of an older version, or one that stopped before it could say.
    return (parse_policy(given, OWN), OWN) if isinstance(given, Mapping) else (Policy(), "defaults")


def _sides(request: Request, policy: Policy, folder: Path) -> tuple[str, str]:
    """Return base and new as ``RUN::SELECTOR``."""
    if request.baseline:
        return request.baseline, request.new
    if split_side(request.new)[1] or not (policy.base or policy.new):
        raise ConfigError(
            Problem(
                "--baseline",
                "a run to compare with, or two sides of the run itself",
                "neither",
                'give --baseline RUN, or name the sides in the config or policy: [gate] base = "...", new = "..."',
            )
        )
    return f"{folder}::{policy.base}", f"{folder}::{policy.new}"


def _notes(request: Request, policy: Policy, run: Run) -> Iterator[str]:
    """Yield what was not looked at, though somebody may think so."""
    selected = split_side(request.baseline)[1] or split_side(request.new)[1]
    if request.baseline and not selected and (policy.base or policy.new):
        yield "the two sides that [gate] names were not compared: leave --baseline out for that"
    silent = not_heard(request.history, run, request.machine)
    if silent:
        yield silent


def _no_baseline(base: str, new: str, runs: int, run: Run) -> tuple[str, bool]:
    """Say why there is no baseline, and whether there are runs that are of no use; empty where there is one.

    Last night's run of another configuration, in a folder with many, would be compared in the place of the right one.
    """
    (path, selector), (new_path, new_selector) = split_side(base), split_side(new)
    # A folder that holds the new run, too: what came before it is meant, never the run itself.
    exclude = [] if selector or new_selector or path == new_path == newest_run(new_path) else find_runs(new_path, runs)
    try:
        found = find_runs(path, runs, exclude, run)
    except ResultError as error:
        return f"no baseline in {path}: {error.problems[0].found}", isinstance(error, OtherConfigurationError)
    return next((f"no baseline: {why}" for why in map(unfinished, found) if why), ""), False
