"""The main job: data to figures, each on disk as soon as it is known."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from idxbench.bench.advice import advise
from idxbench.bench.embed import embed, rank_notice
from idxbench.bench.figures import Where
from idxbench.bench.inputs import Inputs, load_inputs
from idxbench.bench.items_job import compare_items
from idxbench.bench.plan import Plan, check_extras, make_plan
from idxbench.bench.probes import check_probes, run_probes
from idxbench.bench.progress import Progress, Silent
from idxbench.bench.recover import recover
from idxbench.bench.retrieve_job import retrieve
from idxbench.bench.session import Session
from idxbench.bench.validate import validate
from idxbench.bench.validation_sets import Sets, read_sets
from idxbench.config.schema import Config
from idxbench.errors import DataError, Problem
from idxbench.kernels.compile import compile_kernels
from idxbench.machine import environment, git_commit, resolve_threads
from idxbench.records import SCHEMA_VERSION
from idxbench.store.rundir import Failure, RunDirectory
from idxbench.strategies.catalogue import Space

EXIT_OK, EXIT_INCOMPLETE, EXIT_INTERRUPTED, EXIT_ERROR = 0, 4, 130, 2


@dataclass(frozen=True)
class Request:
    """What to run and where to put it.

    Parameters
    ----------
    config
        Checked.
    config_name
        The file it came from, for messages.
    config_text
        As given, to be kept with the results.
    out
        Parent of run directories.
    only
        Strategies and indexes to keep; empty keeps all.
    """

    config: Config
    config_name: str
    config_text: str
    out: Path
    only: tuple[str, ...] = ()


def execute(request: Request, progress: Progress | None = None) -> tuple[Path, int]:
    """Run a config.

    Returns
    -------
    The run directory, and the exit code: 0, or 4 when a cell failed.

    Raises
    ------
    ConfigError, DataError, ResultError
        Mistakes in config, data or output folder: found before any work where that can be told.
    """
    config = request.config
    check_extras(make_plan(config, request.only), config, request.config_name)
    short_hash = hashlib.blake2b(config.model_dump_json().encode(), digest_size=4).hexdigest()
    directory = RunDirectory.create(request.out, request.config_text, short_hash)
    session = Session(config, resolve_threads(config.threads), directory, progress or Silent())
    write_info = _info_writer(session, request)
    session.save = partial(write_info, "running", None)
    status, code = "interrupted", EXIT_INTERRUPTED
    try:
        inputs = load_inputs(config, request.config_name, session.progress)
        session.config = _with_training(config, inputs)
        check_probes(config.probe, inputs)
        plan = make_plan(session.config, request.only, has_queries=inputs.queries is not None)
        session.notices += [*inputs.notices, *plan.notices]
        session.facts |= _describe(inputs, plan)
        session.save()
        _measure(session, inputs, plan, read_sets(session.config, inputs, request.config_name))
        session.notices += advise(directory.rows, config.target_recall)
        code = EXIT_INCOMPLETE if session.failures else EXIT_OK
        status = "finished"
    except Exception:
        status, code = "failed", EXIT_ERROR
        raise
    finally:
        directory.drop_work()
        if directory.rows:
            directory.gather_queries()
            write_info(status, code)
        else:
            # Nothing was measured: a folder with nothing in it would only be in the way.
            directory.remove()
    return directory.path, code


def _with_training(config: Config, inputs: Inputs) -> Config:
    """Fill in how the model was trained where the data, not the config, says so."""
    data = config.data.model_copy(update={"trained_with": inputs.trained_with})
    return config.model_copy(update={"data": data})


def _measure(session: Session, inputs: Inputs, plan: Plan, sets: Sets | None) -> None:
    with session.progress.stage("compile kernels", 1) as advance:
        compile_s = compile_kernels()
        advance(1)
    with session.progress.stage("transform", len(plan.spaces)) as advance:
        spaces = []
        for position, space in enumerate(plan.spaces):
            try:
                spaces.append(embed(space, inputs, session.directory.work / f"space-{position}", session.threads))
            except DataError as error:
                _fail_strategy(session, space, error)
            advance(1)
    if not spaces:
        raise DataError([Problem("strategies", "one that fits the data", "none: " + session.failures[0].reason)])
    session.directory.append({"kind": "run"}, [Where("run").value("compile_time", compile_s, "s")])
    reference = retrieve(session, inputs, plan, spaces) if "retrieve" in plan.tasks else None
    if reference is None:
        cut = [rank_notice(embedded, int(inputs.items.shape[1]), None) for embedded in spaces]
        session.notices += [notice for notice in cut if notice]
    if "similar" in plan.tasks or "cluster" in plan.tasks:
        compare_items(session, inputs, plan, spaces)
    validate(session, inputs, sets, spaces)
    if session.config.probe:
        run_probes(session, inputs, plan, reference)
    recover(session, inputs, plan, spaces)


def _fail_strategy(session: Session, space: Space, error: DataError) -> None:
    """Keep a row for a strategy that this data can't be transformed by; the others go on."""
    reason = "; ".join(f"{one.where}: expected {one.expected}, found {one.found}" for one in error.problems)
    failure = Failure(space.name, "", "", (), reason)
    session.failures.append(failure)
    row = Where("retrieve", space.name, space.similarity).value("failed", 1.0, "count")
    session.directory.append({"kind": "strategy", "strategy": space.name}, [row], failure)


def _describe(inputs: Inputs, plan: Plan) -> dict[str, Any]:
    labels = inputs.dataset.labels
    data: dict[str, Any] = {
        "name": inputs.dataset.name,
        "trained_with": inputs.trained_with,
        "towers": inputs.towers,
        "n_queries_given": inputs.n_queries_given,
        "n_classes": None if labels is None else len(labels.names),
        "fingerprints": inputs.fingerprints,
    }
    for name, vectors in (("items", inputs.items), ("queries", inputs.queries)):
        if vectors is not None:
            data[name] = {"n_rows": len(vectors), "n_dims": int(vectors.shape[1]), "dtype": str(vectors.dtype)}
    # Counted in the data as it came, before any items were held out.
    for name, report in inputs.reports.items():
        data[name] |= {
            "min_norm": report.min_norm,
            "mean_norm": report.mean_norm,
            "max_norm": report.max_norm,
            "n_zero_rows": report.n_zero_rows,
            "n_duplicate_rows": report.n_duplicate_rows,
        }
    return {"data": data, "tasks": list(plan.tasks), "n_cells": plan.n_cells}


def _info_writer(session: Session, request: Request) -> Callable[[str, int | None], None]:
    """Return a function that writes ``run.json`` with what is known by then."""
    started, clock = datetime.now(UTC), time.perf_counter()
    machine, commit = environment(session.threads), git_commit(Path(request.config_name).parent)

    def write(status: str, code: int | None) -> None:
        session.directory.write_info(
            {
                "schema_version": SCHEMA_VERSION,
                "name": session.config.name,
                "status": status,
                "exit_status": code,
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(time.perf_counter() - clock, 3),
                "config": session.config.model_dump(mode="json"),
                "only": list(request.only),
                "git_commit": commit,
                **session.facts,
                "strategies": session.strategies,
                "environment": machine,
                "warnings": [asdict(notice) for notice in session.notices],
                "failures": [asdict(failure) for failure in session.failures],
            }
        )

    return write
