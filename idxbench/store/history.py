"""The record of nights: ``history/<machine>/<YYYY-MM>.jsonl``, append-only, and the events of its keeper beside it.

One line per run, cell and metric, keys sorted, in the file of the month in which the run started. Lines of two
machines never share a file, so histories of several machines merge by copying, or in git. A line carries how many
lines its run has: a run whose lines are not all there was interrupted while it was added, and does not count.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from idxbench.config.policy import Metric
from idxbench.errors import ConfigError, Problem, ResultError
from idxbench.records import Notice
from idxbench.store.appending import append_lines, whole_lines

SCHEMA_VERSION = 1
EVENTS = "events.jsonl"
_MONTHS = "[0-9]*.jsonl"
_MACHINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class HistoryRow:
    """One figure of one run.

    Parameters
    ----------
    run
        Name of the run directory, ``#``, and what identifies the run wherever its directory lies.
    started
        Start of the run, UTC, ISO 8601.
    machine, name
        Where it ran, and the name of its config.
    task, strategy, similarity, index, build, search, k, metric, reference
        As in ``measurements.csv``.
    value, low, high, n, unit
        The figure, its interval and what stands behind it; NaN ends where there is none.
    noise
        Half the width of the interval that the A/A control gave this metric in this run: a share. NaN without one.
    flags
        ``unstable``, ``interrupted``, ``incomplete``: why the figure does not count.
    commit
        Of the repository the config lies in; empty outside of one.
    versions
        Of the libraries.
    data, setup
        Short hashes of the data's content, and of what else makes figures comparable (threads, depth, seed, what the
        strategy is, measuring code).
    judged
        How the run's own policy judges the metric; None where it does not, or an older idxbench did not say.
    """

    run: str
    started: str
    machine: str
    name: str
    task: str
    strategy: str
    similarity: str
    index: str
    build: str
    search: str
    k: int
    metric: str
    reference: str
    value: float
    low: float
    high: float
    n: int
    unit: str
    noise: float
    flags: tuple[str, ...]
    commit: str
    versions: Mapping[str, str | None] = field(repr=False)
    data: str
    setup: str
    judged: Metric | None = None

    @property
    def identity(self) -> str:
        """What is the same for one run, whatever its directory is called."""
        return self.run.rpartition("#")[2]

    @property
    def cell(self) -> tuple[str | int, ...]:
        """The columns that name what was measured."""
        return tuple(getattr(self, name) for name in CELL_COLUMNS)


CELL_COLUMNS = ("task", "strategy", "similarity", "index", "build", "search", "k", "metric", "reference")
_NUMBERS = {"value", "low", "high", "noise"}
_COUNTS = {"k", "n"}
# What of a metric is kept.
_JUDGED = {"direction", "floor", "kind", "gate"}


@dataclass(frozen=True)
class Event:
    """What the keeper of a history said.

    Parameters
    ----------
    kind
        ``pin``: these runs are what later ones are held against. ``accept``: figures changed on purpose and start
        anew.
    at
        When it was said, UTC, ISO 8601.
    machine
        Where.
    reason
        In the keeper's words.
    runs
        Of a pin.
    started
        Of an accept: the start or the day of the first night that counts as new.
    select
        Of an accept: which figures.
    nights
        Of an accept: the same by config, for those that had nights; ``started`` is for all others.
    """

    kind: Literal["pin", "accept"]
    at: str
    machine: str
    reason: str
    runs: tuple[str, ...] = ()
    started: str = ""
    select: tuple[str, ...] = ()
    nights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """What is known of one machine.

    Parameters
    ----------
    folder, machine
        Where it lies, and whose it is.
    rows
        By start, corrections in the place of what they correct.
    events
        In the order they were said.
    notices
        What had to be left out of the files.
    """

    folder: Path
    machine: str
    rows: tuple[HistoryRow, ...] = field(repr=False)
    events: tuple[Event, ...] = field(repr=False)
    notices: tuple[Notice, ...] = ()


def check_machine(name: str) -> str:
    """Return a machine's name, which is that of a folder.

    Raises
    ------
    ConfigError
        It could not be one.
    """
    if _MACHINE.fullmatch(name):
        return name
    expected = "letters, digits, dots, dashes and underscores, starting with a letter or digit, 100 at most"
    raise ConfigError(Problem("--machine", expected, repr(name)))


def machines(folder: Path) -> tuple[str, ...]:
    """Return the machines a history has nights of, sorted; none where there is no such folder."""
    return tuple(sorted({file.parent.name for file in folder.glob(f"*/{_MONTHS}")}))


def add_rows(folder: Path, rows: Sequence[HistoryRow], *, correct: bool = False) -> Path:
    """Append the figures of one run, all of one machine; returns the file they went to.

    Raises
    ------
    ResultError
        The run is there already and this is no correction, it is a correction of nothing, a line of the file is
        broken, or the file can't be written.
    """
    first = rows[0]
    path = folder / first.machine / f"{first.started[:7]}.jsonl"

    def lines(held: Sequence[str]) -> list[str]:
        _, adds = _read_rows(path, held)
        generations = [generation for identity, generation in adds if identity == first.identity]
        complete = [one for one in generations if not adds[first.identity, one].torn]
        if bool(complete) != correct:
            raise _refused(path, first, known=bool(complete))
        generation = max(generations, default=-1) + 1
        return [_row_line(row, len(rows), generation) for row in rows]

    append_lines(path, lines)
    return path


def add_event(folder: Path, event: Event) -> Path:
    """Append what the keeper said; returns the file it went to.

    Raises
    ------
    ResultError
        The file can't be written.
    """
    path = folder / event.machine / EVENTS
    line = json.dumps({"schema_version": SCHEMA_VERSION} | asdict(event), sort_keys=True)
    append_lines(path, lambda held: [line])
    return path


def read_history(folder: Path, machine: str) -> History:
    """Read what is known of a machine; nothing where it is unknown.

    Raises
    ------
    ResultError
        A file can't be read, or a line of it that is not the torn last one does not parse.
    """
    rows: list[HistoryRow] = []
    notices: list[Notice] = []
    for path in sorted((folder / machine).glob(_MONTHS)):
        held, torn = whole_lines(path)
        if torn:
            notices.append(_torn_notice(path))
        found, adds = _read_rows(path, held)
        notices += [
            Notice(
                "history-part",
                f"{path}: {add.run} has {len(add.cells)} of its {add.of} lines; it does not count",
                "add the run again",
            )
            for add in adds.values()
            if add.torn
        ]
        rows += found
    events, path = [], folder / machine / EVENTS
    if path.is_file():
        held, torn = whole_lines(path)
        if torn:
            notices.append(_torn_notice(path))
        events = [_event(path, number, line) for number, line in enumerate(held, start=1) if line.strip()]
    rows.sort(key=lambda row: (row.started, row.run))
    return History(folder, machine, tuple(rows), tuple(events), tuple(notices))


@dataclass
class _Add:
    """The lines that one ``add`` of one run left."""

    run: str
    of: int
    cells: dict[tuple[str | int, ...], HistoryRow]

    @property
    def torn(self) -> bool:
        return len(self.cells) < self.of


def _read_rows(path: Path, lines: Iterable[str]) -> tuple[list[HistoryRow], dict[tuple[str, int], _Add]]:
    """Return the rows that count, and everything that was added."""
    adds: dict[tuple[str, int], _Add] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            given = _given(line)
            row = _row(given)
            key = (row.identity, int(given["generation"]))
            # Two copies of one line, as a merge of two clones may leave them, are one.
            adds.setdefault(key, _Add(row.run, int(given["of"]), {})).cells[row.cell] = row
        except (ValueError, KeyError, TypeError) as error:
            raise _bad_line(path, number, line, error) from None
    last: dict[str, int] = {}
    for (identity, generation), add in adds.items():
        if not add.torn:
            last[identity] = max(last.get(identity, 0), generation)
    return [row for key in last.items() for row in adds[key].cells.values()], adds


def _given(line: str) -> dict[str, Any]:
    given = json.loads(line)
    if not isinstance(given, dict):
        raise TypeError("no JSON object")
    if given.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"schema version {given.get('schema_version')}, this idxbench reads {SCHEMA_VERSION}")
    return given


def _row(given: Mapping[str, Any]) -> HistoryRow:
    def value(name: str) -> Any:
        if name == "judged":
            # Records of an older idxbench don't have it.
            held = given.get(name)
            return None if held is None else Metric.model_validate(held)
        one = given[name]
        if name in _NUMBERS:
            return math.nan if one is None else float(one)
        if name in _COUNTS:
            return int(one)
        if name == "flags":
            return tuple(str(flag) for flag in one)
        return dict(one) if name == "versions" else str(one)

    return HistoryRow(**{one.name: value(one.name) for one in fields(HistoryRow)})


def _row_line(row: HistoryRow, of: int, generation: int) -> str:
    values = {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(row).items()
    }
    values["judged"] = None if row.judged is None else row.judged.model_dump(include=_JUDGED)
    whole = {"schema_version": SCHEMA_VERSION, "of": of, "generation": generation} | values
    return json.dumps(whole, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _event(path: Path, number: int, line: str) -> Event:
    try:
        given = _given(line)
        if given["kind"] not in ("pin", "accept"):
            raise ValueError(f"an event of kind {given['kind']!r}")
        texts = {name: str(given[name]) for name in ("at", "machine", "reason", "started")}
        nights = dict(given.get("nights", {}))
        return Event(given["kind"], runs=tuple(given["runs"]), select=tuple(given["select"]), nights=nights, **texts)
    except (ValueError, KeyError, TypeError) as error:
        raise _bad_line(path, number, line, error) from None


def _bad_line(path: Path, number: int, line: str, error: Exception) -> ResultError:
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        fix = "a merge was left undone: keep the lines of both sides (in .gitattributes: history/** merge=union)"
    else:
        fix = "restore the file, or take the line out: nothing is ever changed in place here"
    reason = f"no {error} in it" if isinstance(error, KeyError) else str(error)
    return ResultError(Problem(f"{path}:{number}", "one record of JSON per line", reason, fix))


def _torn_notice(path: Path) -> Notice:
    return Notice("history-torn", f"{path}: its last line was cut off while it was written; it does not count")


def _refused(path: Path, row: HistoryRow, *, known: bool) -> ResultError:
    run = row.run.partition("#")[0]
    if known:
        fix = "nothing needs doing; --correct puts these figures in the place of the earlier ones"
        return ResultError(Problem(str(path), "a run that is not in the history", f"{run}, which is", fix))
    return ResultError(
        Problem(str(path), "an earlier record of the run to correct", f"none of {run}", "leave --correct out")
    )
