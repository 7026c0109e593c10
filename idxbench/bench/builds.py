"""Every index of a plan is built in a fresh child that ends then; what stays is the index on disk."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idxbench.bench.figures import Where
from idxbench.bench.plan import Build
from idxbench.bench.retrieve import Reference, StrategyResult, build_rows, make_job
from idxbench.bench.session import Session
from idxbench.records import compact_json
from idxbench.store.rundir import Failure
from idxbench.timing.child import Child, ChildError

# Written when all else is: a folder without it holds an index that was being built when the run ended.
_DONE = "done"


@dataclass(frozen=True)
class Built:
    """An index on disk.

    Parameters
    ----------
    number
        Of the build among all of the plan; its folder's name.
    build
        What it is.
    strategy
        Whose vectors it holds.
    saved
        The index, to be loaded by the children that are timed.
    """

    number: int
    build: Build
    strategy: StrategyResult
    saved: Path

    def forget(self) -> None:
        """Have it built anew when the run is resumed."""
        self.saved.with_name(_DONE).unlink(missing_ok=True)

    @property
    def name(self) -> str:
        """For progress and messages."""
        return f"{self.build.space.name}: {self.build.kind} {self.build.build_json}".rstrip()


def build_indexes(
    session: Session, builds: Sequence[tuple[int, Build]], results: Mapping[str, StrategyResult], reference: Reference
) -> list[Built]:
    """Build one index after the other and write down what that took; those that fail are left out.

    Each comes with a number that no other has. An index that an earlier start of the run built and saved is not built
    again.
    """
    built = []
    for number, build in builds:
        strategy = results.get(build.space.name)
        if strategy is None:
            continue
        one = Built(number, build, strategy, session.directory.indexes / f"build-{number}" / "index")
        try:
            if not (one.saved.with_name(_DONE).exists() and session.directory.has(build_unit(build))):
                _build(session, one, reference)
            built.append(one)
        except ChildError as error:
            fail_build(session, build, str(error))
    return built


def _build(session: Session, one: Built, reference: Reference) -> None:
    folder = one.saved.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    job = make_job(one.build, one.strategy.embedded, session.config, session.threads, folder, one.saved, "build")
    n_items = len(one.strategy.embedded.items)
    with session.progress.stage(one.name, n_items) as advance, Child(job, folder) as child:
        result = child.build(advance)
    rows = build_rows(one.build, result, one.strategy, reference, session.config)
    facts = {"batch_threads": result.batch_threads, "library": result.library}
    session.directory.append(build_unit(one.build), rows, told=facts)
    (folder / _DONE).touch()
    session.save()


def fail_build(session: Session, build: Build, reason: str) -> None:
    """Keep a row for every search of an index that could not be built or timed; the others go on."""
    space = build.space
    searches = tuple(compact_json(search) for search in build.searches)
    failure = Failure(space.name, build.kind, build.build_json, searches, reason)
    session.failures.append(failure)
    place = ("retrieve", space.name, space.similarity, build.kind, build.build_json)
    rows = [Where(*place, search).value("failed", 1.0, "count") for search in searches]
    session.directory.append(build_unit(build) | {"failed": True}, rows, failure)


def build_unit(build: Build) -> dict[str, Any]:
    """Name the building of an index, as a unit of the journal."""
    return {"kind": "build", "strategy": build.space.name, "index": build.kind, "build": build.build_json}


def cell_unit(build: Build, search: Mapping[str, Any]) -> dict[str, Any]:
    """Name one cell, as a unit of the journal."""
    return build_unit(build) | {"kind": "cell", "search": compact_json(search)}
