"""From a config to what will run: strategies, indexes, and the cells they make."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from idxbench.bench.declared import check_declared
from idxbench.config.messages import nearest
from idxbench.config.recover import check_recover
from idxbench.config.schema import AnyIndex, Config, HnswlibIndex, Task
from idxbench.errors import ConfigError, Problem
from idxbench.indexes.catalogue import effective_searches, missing_extra
from idxbench.records import Notice, compact_json
from idxbench.strategies.catalogue import Space, resolve_strategies


@dataclass(frozen=True)
class Build:
    """One index, built once and searched at every parameter of its sweep.

    Parameters
    ----------
    space
        The strategy whose vectors it holds.
    kind
        The index library.
    parameters
        What it is built with; holds the seed where several builds are made.
    searches
        The search parameters that will run.
    seed
        Of the build.
    """

    space: Space
    kind: str
    parameters: dict[str, Any]
    searches: tuple[dict[str, Any], ...]
    seed: int

    @property
    def build_json(self) -> str:
        """The parameters as the column ``build`` writes them."""
        return compact_json(self.parameters)


@dataclass(frozen=True)
class Plan:
    """Everything that will run."""

    tasks: tuple[Task, ...]
    spaces: tuple[Space, ...]
    builds: tuple[Build, ...]
    notices: tuple[Notice, ...]

    @property
    def n_cells(self) -> int:
        """How many cells: strategy x index x build x search."""
        return sum(len(build.searches) for build in self.builds)


def make_plan(config: Config, only: Sequence[str] = (), *, has_queries: bool = True) -> Plan:
    """Expand a config.

    Parameters
    ----------
    config
        A checked config.
    only
        Names of strategies or kinds of indexes to keep; none keeps all.
    has_queries
        Whether anything will be retrieved; without queries only ``similar`` and ``cluster`` run.

    Raises
    ------
    ConfigError
        A name in ``only`` that is neither, or strategies that are alike.
    """
    spaces = resolve_strategies(config)
    indexes = config.index
    if only:
        spaces, indexes = _keep_only(spaces, indexes, only)
    notices: list[Notice] = []
    builds: list[Build] = []
    tasks = config.tasks
    if not has_queries and "retrieve" in tasks:
        tasks = tuple(task for task in tasks if task != "retrieve")
        notices.append(
            Notice(
                "no-queries",
                "there are no queries: the task retrieve, and so every index, was left out",
                "name them under data.queries, or hold some items out: data.holdout = 1000",
            )
        )
    if "retrieve" in tasks:
        sweeps = [_sweep(index, max(config.k)) for index in indexes]
        raised = sorted({ef for _, efs in sweeps for ef in efs})
        if raised:
            notices.append(_raised_notice(raised, max(config.k)))
        for space in spaces:
            for index, (searches, _) in zip(indexes, sweeps, strict=True):
                builds += _builds(space, index, searches, config)
    return Plan(tasks, spaces, tuple(merge(builds)), tuple(notices))


def merge(builds: Sequence[Build]) -> list[Build]:
    """Make one build of those that are alike, searched at every parameter that any of them is searched at."""
    merged: dict[tuple[str, str, str], Build] = {}
    for build in builds:
        key = (build.space.name, build.kind, build.build_json)
        searches = {
            compact_json(one): one for one in (*(merged[key].searches if key in merged else ()), *build.searches)
        }
        ordered = sorted(searches.values(), key=lambda one: one.get("ef", 0))
        merged[key] = replace(merged.get(key, build), searches=tuple(ordered))
    return list(merged.values())


def check_extras(plan: Plan, config: Config, source: str) -> None:
    """Refuse indexes whose library is not installed, before any work.

    Parameters
    ----------
    plan
        What will run; an index that ``only`` left out needs no library.
    config, source
        Where it came from, for messages.

    Raises
    ------
    ConfigError
        Names every library that is missing, and the command that installs it; a Python of ``[environment]`` that is
        none; sides of ``[gate]`` that nothing answers to; or the table ``[recover]`` does not fit.
    """
    check_recover(config, source)
    check_declared(plan.builds, config, source)
    positions = {str(index.kind): position for position, index in reversed(list(enumerate(config.index)))}
    problems = _without_python(plan, config, source)
    # What another environment lacks, its own process says.
    for kind in dict.fromkeys(build.kind for build in plan.builds if "environment" not in build.parameters):
        missing = missing_extra(kind)
        if missing is not None:
            library, extra = missing
            problems.append(
                Problem(
                    f"{source}: index[{positions[kind]}].kind",
                    f"{library}, which {kind!r} runs on",
                    f"{library} is not installed",
                    f"pip install 'idxbench[{extra}]', or leave this index out",
                )
            )
    if problems:
        raise ConfigError(problems)


def _without_python(plan: Plan, config: Config, source: str) -> list[Problem]:
    problems = []
    for name in dict.fromkeys(build.parameters.get("environment") for build in plan.builds):
        if name is None:
            continue
        python = config.environment[name].python
        if not (python.is_file() and os.access(python, os.X_OK)):
            found = "a file that can't be executed" if python.is_file() else "no such file"
            problems.append(
                Problem(
                    f"{source}: environment.{name}.python",
                    "the Python of an environment that has idxbench",
                    f"{found}: {python}",
                    "make one: python3 -m venv DIR && DIR/bin/pip install idxbench, then python = 'DIR/bin/python'",
                )
            )
    return problems


def _keep_only(
    spaces: tuple[Space, ...], indexes: tuple[AnyIndex, ...], only: Sequence[str]
) -> tuple[tuple[Space, ...], tuple[AnyIndex, ...]]:
    names = [space.name for space in spaces]
    kinds = [index.kind for index in indexes]
    unknown = [word for word in only if word not in names and word not in kinds]
    if unknown:
        known = [*names, *dict.fromkeys(kinds)]
        raise ConfigError(
            [
                Problem(
                    "--only",
                    "a strategy or index of the config: " + ", ".join(known),
                    repr(word),
                    f"did you mean {nearest(word, known)!r}?" if nearest(word, known) else "",
                )
                for word in unknown
            ]
        )
    kept_spaces = tuple(space for space in spaces if space.name in only) or spaces
    kept_indexes = tuple(index for index in indexes if index.kind in only) or indexes
    return kept_spaces, kept_indexes


def _sweep(index: AnyIndex, k: int) -> tuple[tuple[dict[str, Any], ...], tuple[int, ...]]:
    searches = tuple({"ef": ef} for ef in index.ef) if isinstance(index, HnswlibIndex) else ({},)
    return effective_searches(index.kind, searches, k)


def _builds(space: Space, index: AnyIndex, searches: tuple[dict[str, Any], ...], config: Config) -> list[Build]:
    # Part of the cell: another library, or another version of it, stands behind the same parameters.
    elsewhere = {} if index.environment is None else {"environment": index.environment}
    if not isinstance(index, HnswlibIndex):
        return [Build(space, index.kind, elsewhere, searches, config.seed)]
    made = []
    sweep = product(dict.fromkeys(index.M), dict.fromkeys(index.ef_construction), range(config.measure.builds))
    for M, ef_construction, replicate in sweep:
        seed = config.seed + replicate
        parameters: dict[str, Any] = {"M": M, "ef_construction": ef_construction} | elsewhere
        if config.measure.builds > 1:
            parameters["seed"] = seed
        made.append(Build(space, index.kind, parameters, searches, seed))
    return made


def _raised_notice(raised: Sequence[int], k: int) -> Notice:
    values = ", ".join(str(ef) for ef in raised)
    return Notice(
        "ef-below-k",
        f"ef {values} {'is' if len(raised) == 1 else 'are'} below k = {k}: hnswlib searches "
        f"with ef = {k} in their place, and that runs once",
        f"to measure a smaller ef, ask for a smaller k (now the largest of k is {k})",
    )
