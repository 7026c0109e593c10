"""The main job: data to figures, each on disk as soon as it is known."""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from idxbench.bench.advice import advise
from idxbench.bench.embed import embed, rank_notice
from idxbench.bench.figures import Where
from idxbench.bench.identity import check_data, check_files, identify_units, identity
from idxbench.bench.inputs import Inputs, load_inputs
from idxbench.bench.items_job import compare_items
from idxbench.bench.plan import Plan, check_extras, make_plan
from idxbench.bench.portrait import portray
from idxbench.bench.probes import check_probes, run_probes
from idxbench.bench.progress import Progress, Silent
from idxbench.bench.recover import recover
from idxbench.bench.retrieve_job import retrieve
from idxbench.bench.run_diagnosis import Conclude, diagnose_inputs
from idxbench.bench.session import Finding, Session
from idxbench.bench.validate import validate
from idxbench.bench.validation_sets import Sets, read_sets
from idxbench.config.schema import Config
from idxbench.errors import DataError, Problem, ResultError
from idxbench.kernels.compile import compile_kernels
from idxbench.machine import environment, git_commit, resolve_threads
from idxbench.records import SCHEMA_VERSION, Notice
from idxbench.store.files import FULL, DiskFullError, disk_full
from idxbench.store.journal import FORMAT
from idxbench.store.rundir import Failure, RunDirectory
from idxbench.store.unfinished import find_unfinished
from idxbench.strategies.catalogue import Space

EXIT_OK, EXIT_INCOMPLETE, EXIT_INTERRUPTED, EXIT_ERROR = 0, 4, 130, 2
RUNNING, FINISHED, INTERRUPTED, FAILED, FULL_DISK = "running", "finished", "interrupted", "failed", "disk full"

Say = Callable[[str], None]
WriteInfo = Callable[[str, int | None], None]


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
    resume
        Continue the newest unfinished run of this configuration, if there is one.
    again
        The command that resumes it, for messages.
    """

    config: Config
    config_name: str
    config_text: str
    out: Path
    only: tuple[str, ...] = ()
    resume: bool = False
    again: str = "the same command with --resume"


def execute(
    request: Request,
    conclude: Conclude,
    progress: Progress | None = None,
    say: Say = lambda text: None,
) -> tuple[Path, int]:
    """Run a config, or what is left of a run.

    Parameters
    ----------
    request
        What to run and where to put it.
    conclude
        Says what the vectors are like, from what was measured of them.
    progress
        Told how far the work is.
    say
        Told at once what the reader must know before the end.

    Returns
    -------
    The run directory, and the exit code: 0, or 4 when a cell failed.

    Raises
    ------
    ConfigError, DataError, ResultError
        Mistakes in config, data or output folder: found before any work where that can be told. A full disk.
    KeyboardInterrupt
        As it came in, with words that say where the run lies and how it is resumed.
    """
    config = request.config
    check_extras(make_plan(config, request.only), config, request.config_name)
    same = identity(config, request.only)
    # Asked for first: a directory that is there without its run.json could not be resumed.
    machine, commit = environment(resolve_threads(config.threads)), git_commit(Path(request.config_name).parent)
    directory, notices = _open(request, same, say)
    session = Session(config, resolve_threads(config.threads), directory, progress or Silent(), notices)
    write = _info_writer(session, request, {"identity": same, "git_commit": commit, "environment": machine})
    session.save = partial(write, RUNNING, None)
    try:
        _work(session, request, same, conclude)
        code = EXIT_INCOMPLETE if session.failures else EXIT_OK
        directory.settle()
        write(FINISHED, code)
    except KeyboardInterrupt as stop:
        code = int(getattr(stop, "exit_code", EXIT_INTERRUPTED))
        raise type(stop)(_interrupted(request, directory, kept=_leave(session, write, INTERRUPTED, code))) from None
    except (DiskFullError, OSError) as error:
        full = isinstance(error, DiskFullError) or error.errno in FULL
        _leave(session, write, FULL_DISK if full else FAILED, EXIT_ERROR)
        if full:
            raise _full(request, directory, error) from None
        raise
    except BaseException:
        _leave(session, write, FAILED, EXIT_ERROR)
        raise
    else:
        directory.finish()
    finally:
        directory.release()
    return directory.path, code


def _open(request: Request, same: dict[str, Any], say: Say) -> tuple[RunDirectory, list[Notice]]:
    """Take the run to be continued, or make a new one; what the reader must know about that comes with it."""
    notices = []
    if request.resume:
        sought = find_unfinished(request.out, same)
        if sought.path is not None:
            directory = RunDirectory.reopen(sought.path)
            say(f"resuming {sought.path}")
            return directory, []
        text = f"nothing to resume: {sought.why}; this run began afresh"
        say(text)
        notices.append(Notice("nothing-to-resume", text))
    short_hash = hashlib.blake2b(request.config.model_dump_json().encode(), digest_size=4).hexdigest()
    return RunDirectory.create(request.out, request.config_text, short_hash), notices


def _work(session: Session, request: Request, same: dict[str, Any], conclude: Conclude) -> None:
    """Do all that is not done, and notice what the figures say."""
    config, directory = session.config, session.directory
    check_files(directory.info, same["files"], directory.path)
    if not directory.info:
        session.save()
    inputs = load_inputs(config, request.config_name, session.progress)
    check_data(directory.info, inputs, directory.path)
    session.config = _with_training(config, inputs)
    check_probes(config.probe, inputs)
    plan = make_plan(session.config, request.only, has_queries=inputs.queries is not None)
    sets = read_sets(session.config, inputs, request.config_name)
    if directory.info:
        directory.begin()
    directory.identify = identify_units(session.config, request.only, inputs)
    session.notices += [*inputs.notices, *plan.notices, *_elsewhere(directory)]
    session.facts |= _describe(inputs, plan)
    session.save()
    compile_s = _compile(session)
    if config.diagnose.in_runs:
        diagnose_inputs(session, inputs, conclude)
        session.save()
    # Those that are not asked make room.
    inputs = replace(inputs, all_queries=None)
    _measure(session, inputs, plan, sets, compile_s)
    session.notices += advise(directory.rows, config.target_recall)


def _elsewhere(directory: RunDirectory) -> list[Notice]:
    hosts = list(dict.fromkeys(directory.hosts))
    if len(hosts) < 2:
        return []
    text = f"this run was measured on {len(hosts)} machines, one after the other: {', '.join(hosts)}"
    return [Notice("several-machines", text, "its times do not compare with each other; run it again on one")]


def _leave(session: Session, write: WriteInfo, status: str, code: int) -> bool:
    """Leave a run so that it can be resumed; remove it where nothing was measured. Return whether it stays."""
    directory = session.directory
    if not directory.session:
        return True  # an older run that was not gone on with
    if directory.session == 1 and directory.empty:
        # A folder with nothing in it would only be in the way.
        directory.remove()
        return False
    # What made the run end is what its reader must hear of, and not that there was no room for the tables.
    directory.leave()
    with suppress(ResultError):
        directory.settle()
    with suppress(ResultError):
        write(status, code)
    return True


def _interrupted(request: Request, directory: RunDirectory, *, kept: bool) -> str:
    if not kept:
        return "interrupted before anything was measured: nothing is left behind"
    return f"interrupted: what was measured is in {directory.path}; continue with: {request.again}"


def _full(request: Request, directory: RunDirectory, error: DiskFullError | OSError) -> DiskFullError:
    if isinstance(error, DiskFullError):
        return disk_full(error.problems[0].where, error.problems[0].found, request.again)
    return disk_full(str(error.filename or directory.path), error.strerror or str(error), request.again)


def _with_training(config: Config, inputs: Inputs) -> Config:
    """Fill in how the model was trained where the data, not the config, says so."""
    data = config.data.model_copy(update={"trained_with": inputs.trained_with})
    return config.model_copy(update={"data": data})


def _compile(session: Session) -> float:
    """Return the seconds that kernels took to be compiled, or to be read from the disk."""
    with session.progress.stage("compile kernels", 1) as advance:
        seconds = compile_kernels()
        advance(1)
    return seconds


def _measure(session: Session, inputs: Inputs, plan: Plan, sets: Sets | None, compile_s: float) -> None:
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
    session.once({"kind": "run"}, lambda: Finding([Where("run").value("compile_time", compile_s, "s")]))
    portray(session, inputs, spaces)
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


def _info_writer(session: Session, request: Request, known: dict[str, Any]) -> WriteInfo:
    """Return a function that writes ``run.json`` with what is known by then."""
    before = session.directory.info
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()

    def write(status: str, code: int | None) -> None:
        session.directory.write_info(
            {
                "schema_version": SCHEMA_VERSION,
                "journal": FORMAT,
                "name": session.config.name,
                "status": status,
                "exit_status": code,
                "started": before.get("started", started),
                "seconds": round(before.get("seconds", 0.0) + time.perf_counter() - clock, 3),
                "sessions": session.directory.session,
                "config": session.config.model_dump(mode="json"),
                "only": list(request.only),
                **known,
                **session.facts,
                "strategies": session.strategies,
                "warnings": [asdict(notice) for notice in session.notices],
                "failures": [asdict(failure) for failure in session.failures],
            }
        )

    return write
