"""What a history keeps of a run: its figures as records, and why some of them don't count."""

import hashlib
import json
import math
from datetime import UTC, datetime

from idxbench.config.policy import DEFAULT_METRICS, Metric, Policy, measure_name
from idxbench.errors import ConfigError, Problem
from idxbench.measures.rounds.paired import control_of, looked_at
from idxbench.records import Measurement, Run
from idxbench.store.history import CELL_COLUMNS, HistoryRow, check_machine
from idxbench.store.round_rows import counted, read_rounds
from idxbench.verdicts.runs.surroundings import machine_of


def history_machine(run: Run, machine: str = "") -> str:
    """Return the machine a run's figures are kept under: the name given, or that of the machine it ran on.

    Raises
    ------
    ConfigError
        The name given can't be one, or the run does not know its machine.
    """
    name = machine or machine_of(run)
    if name:
        return check_machine(name)
    raise ConfigError(
        Problem(
            str(run.path / "run.json"), "environment.machine", "none: an older idxbench wrote it", "give --machine NAME"
        )
    )


def rows_of(
    run: Run, *, machine: str = "", everything: bool = False, policy: Policy | None = None
) -> tuple[HistoryRow, ...]:
    """Turn a run into the records of a history.

    Parameters
    ----------
    run
        Finished or not.
    machine
        Where it ran; empty takes the run's own word.
    everything
        Every figure, not only those with a direction.
    policy
        Whose metrics have one, and at which level the A/A control is judged.

    Raises
    ------
    ConfigError
        See `history_machine`.
    ResultError
        ``rounds.csv`` can't be read.
    """
    policy = policy or Policy()
    where, info = history_machine(run, machine), run.info
    started = datetime.fromisoformat(info["started"]).astimezone(UTC).isoformat(timespec="seconds")
    control = control_of(counted(read_rounds(run.path)), policy, policy.level)
    known = DEFAULT_METRICS.keys() | policy.metrics.keys()
    rows = {}
    for row in run.measurements:
        if not math.isfinite(row.value) or row.metric == "failed":
            continue
        if everything or measure_name(row.metric, row.reference) in known:
            record = HistoryRow(
                run=f"{run.path.resolve().name}#{_identity(run)}",
                started=started,
                machine=where,
                name=str(info["name"]),
                **{name: getattr(row, name) for name in CELL_COLUMNS},
                value=row.value,
                low=row.low,
                high=row.high,
                n=row.n,
                unit=row.unit,
                noise=_share(control.noise.get(row.metric)),
                flags=_flags(run, row, control.unstable),
                commit=str(info.get("git_commit") or ""),
                versions=dict(info.get("environment", {}).get("versions", {})),
                data=_hash(info["data"]["fingerprints"]),
                setup=_setup(run, row.strategy),
                judged=judged_by(policy, row.strategy, row.metric, row.reference, row.k),
            )
            rows[record.cell] = record
    return tuple(rows.values())


def judged_by(policy: Policy, strategy: str, metric: str, reference: str, k: int) -> Metric | None:
    """Return how a policy judges a figure; it does not gate one of a strategy or depth that it leaves out."""
    judged = policy.metric(measure_name(metric, reference))
    if judged is None or looked_at(policy, strategy, metric, k):
        return judged
    return judged.model_copy(update={"gate": False})


def _share(log: float | None) -> float:
    return math.nan if log is None else math.expm1(log)


def _flags(run: Run, row: Measurement, unstable: str) -> tuple[str, ...]:
    """Say why a figure does not count. A cell that failed does not take those that did not with it."""
    found = []
    if unstable and row.unit in ("s", "1/s"):
        found.append("unstable")
    if run.info.get("status") != "finished":
        found.append("interrupted")
    failures = run.info.get("failures", ())
    if any((one["strategy"], one["index"], one["build"]) == (row.strategy, row.index, row.build) for one in failures):
        found.append("incomplete")
    return tuple(found)


def _identity(run: Run) -> str:
    """Hash what stays with a run when its directory is renamed, copied, or resumed.

    The time that compiling took, a float of full precision, tells runs of one config apart that began in one second.
    """
    info = run.info
    compiled = [row.value for row in run.measurements if row.metric == "compile_time"][:1]
    return _hash([info["name"], info["started"], info["config"], info["data"]["fingerprints"], compiled])


def _setup(run: Run, strategy: str) -> str:
    """Hash what else makes two figures of a cell comparable.

    Another depth, seed or number of threads does not, and neither does a strategy that stands for something else: its
    name says not which factor it rescales by.
    """
    config, info = run.info["config"], run.info
    measure = config.get("measure", {})
    code = str(info.get("identity", {}).get("code", "")).partition("/")[0]
    threads = info.get("environment", {}).get("threads")
    kept = [threads, max(config.get("k", [0])), measure.get("queries"), measure.get("build_mode"), measure.get("rate")]
    told = {one["name"]: [one.get("transform"), one.get("similarity")] for one in info.get("strategies", ())}
    # Tasks without indexes tell of no strategy; then any change of the config's is one.
    space = told.get(strategy, config.get("strategy")) if strategy else None
    return _hash([*kept, code, config.get("seed"), space])


def _hash(value: object) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=4).hexdigest()
