"""Which version of its library an index was built and timed with, on each side."""

import json
from collections.abc import Sequence

from idxbench.indexes.catalogue import LIBRARIES
from idxbench.records import Measurement, Run
from idxbench.verdicts.changes import Difference
from idxbench.verdicts.runs.figures import Figure, Joined

_UNKNOWN = "unknown"


def same_library(joined: Joined) -> bool:
    """Return whether both sides of a figure come from one version of the index's library.

    Builds repeat within a version only. What an older run did not say counts as equal.
    """
    told = {
        found
        for figure in (joined.base, joined.new)
        if figure is not None
        for run, row in zip(figure.runs, figure.rows, strict=True)
        if (found := _library(run, row))[1] != _UNKNOWN
    }
    return len(told) <= 1


def library_differences(joined: Sequence[Joined]) -> tuple[Difference, ...]:
    """Return which version was compared with which, of indexes that environments of their own built."""
    found: dict[Difference, None] = {}
    for one in joined:
        if one.new is None or not one.base.row.index or one.base.row.index != one.new.row.index:
            continue
        places = [_environment(figure.row) for figure in (one.base, one.new)]
        before, after = (_told(figure) for figure in (one.base, one.new))
        # Versions of our own environment are told with the others of the run.
        if any(places) and before != after:
            found[Difference(_library(one.base.runs[-1], one.base.row)[0], before, after)] = None
    return tuple(found)


def _told(figure: Figure) -> str:
    where = _environment(figure.row)
    version = _library(figure.runs[-1], figure.row)[1]
    return f"{version} in {where}" if where else version


def _environment(row: Measurement) -> str:
    return str(json.loads(row.build).get("environment", "")) if row.build else ""


def _library(run: Run, row: Measurement) -> tuple[str, str]:
    """Return the library of a row's index and its version; ``unknown`` where the run does not say."""
    where = _environment(row)
    for told in run.info.get("libraries") or ():
        if (told["index"], told["environment"]) == (row.index, where):
            return str(told["library"]), str(told["version"])
    library = LIBRARIES.get(row.index, row.index)
    versions = {} if where else run.info.get("environment", {}).get("versions", {})
    # faiss comes as faiss-cpu.
    return library, str(versions.get(library) or versions.get(f"{library}-cpu") or _UNKNOWN)
