"""From what an index answered and how long it took to the figures of its cells."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.builds import Built, cell_unit
from idxbench.bench.retrieve import Reference, Timed, cell_result
from idxbench.bench.round_loop import answers_name, samples_key, samples_name
from idxbench.bench.session import Session
from idxbench.measures.rounds.at_recall import Recalls
from idxbench.records import compact_json
from idxbench.store.round_rows import RoundRow
from idxbench.store.rundir import Failure
from idxbench.store.samples import cell_name

# Queries from which on a recall of 0 can't be bad luck.
ENOUGH = 20

# Latencies of single queries by index number and search, round by round.
Samples = Mapping[str, list[NDArray[np.float32]]]


def samples_of(session: Session, rows: Sequence[RoundRow]) -> Samples:
    """Read the latencies of single queries in the rounds that count, each file once."""
    samples: dict[str, list[NDArray[np.float32]]] = {}
    for round_ in dict.fromkeys((row.session, row.round, row.attempt) for row in rows):
        for key, values in (session.directory.load_arrays(samples_name(*round_)) or {}).items():
            samples.setdefault(key, []).append(values)
    return samples


def recalls_of(session: Session, members: Sequence[Built], reference: Reference) -> Recalls:
    """Return the recall of every search that has been asked, against the task reference, by depth."""
    found: dict[tuple[str, str, str, str], dict[int, float]] = {}
    for built in members:
        build, answers = built.build, session.directory.load_arrays(answers_name(built)) or {}
        for position, search in enumerate(build.searches):
            ids = answers.get(f"ids_{position}")
            if ids is not None:
                recalls = reference.recalls(ids, session.config.k)
                found[build.space.name, build.kind, build.build_json, compact_json(search)] = {
                    k: float(np.nanmean(values)) for k, values in recalls.items() if np.isfinite(values).any()
                }
    return found


def grade(session: Session, built: Built, rows: Sequence[RoundRow], samples: Samples, reference: Reference) -> None:
    """Grade the searches of an index that have not been graded before."""
    build, directory = built.build, session.directory
    answers = directory.load_arrays(answers_name(built)) or {}
    for position, parameters in enumerate(build.searches):
        unit = cell_unit(build, parameters)
        if directory.has(unit):
            continue
        cell_of = (build.space.name, build.kind, build.build_json, unit["search"], 0)
        mine = [row for row in rows if (row.strategy, row.index, row.build, row.search, row.copy) == cell_of]
        timed = Timed(
            answers[f"ids_{position}"],
            int(answers[f"short_{position}"]),
            tuple(mine),
            tuple(samples.get(samples_key(built, position), ())),
        )
        cell = cell_result(build, parameters, timed, built.strategy, reference, session.config)
        directory.save_queries(cell_name(*cell_of[:4]), cell.samples)
        failure = None
        deep = max(session.config.k) >= len(reference.exact.items)
        if cell.own_recall == 0.0 and len(reference.queries) >= ENOUGH and not deep:
            # An index that finds not one true neighbour of many queries is broken, not bad.
            reason = "recall is 0 for every query against its own exact search: a broken index, not a bad one"
            failure = Failure(build.space.name, build.kind, build.build_json, (unit["search"],), reason)
            session.failures.append(failure)
        directory.append(unit, cell.rows, failure)
