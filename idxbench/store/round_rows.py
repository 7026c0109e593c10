"""``rounds.csv``: what every round measured, one row per search of an index and round; what pairs are made of."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from idxbench.errors import Problem, ResultError

FILE = "rounds.csv"
# The figures of a round, named as in ``measurements.csv``; NaN where that round did not measure them.
ROUND_METRICS = (
    "qps_single",
    "qps_batch",
    "qps_threads",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "response_p50",
    "response_p95",
    "response_p99",
)


@dataclass(frozen=True)
class RoundRow:
    """One search of one index in one round.

    Parameters
    ----------
    session
        Which start of the run, from 1: a run that was resumed has several. Pairs never cross one.
    round
        Number of the round within its run, from 0.
    attempt
        0, or 1 where the machine was disturbed in the round, so that it was made a second time.
    strategy, index, build, search
        As in ``measurements.csv``.
    copy
        0 for the index itself, 1 for the second copy of the first index, the A/A control.
    qps_single, qps_batch, qps_threads
        Queries per second: one at a time on one thread; all at once on all threads; one at a time on each of
        several threads.
    latency_p50, latency_p95, latency_p99
        Percentiles of single queries, in seconds.
    response_p50, response_p95, response_p99
        Percentiles of the time from a query's intended start, at a fixed rate, to its answer, in seconds.
    pressure, steal
        Shares of the turn's time in which some task waited for a processor, and in which the hypervisor gave ours
        to others.
    others
        How many processors other processes used meanwhile.
    switches
        How often the process lost its processor.
    settled
        Whether the warm-up before it came to agree with itself.
    overloaded
        Whether requests at the fixed rate came faster than they were answered.
    flagged
        Whether the round counts as disturbed. A flagged round is made once more, and the second attempt counts,
        disturbed or not.
    """

    session: int
    round: int
    attempt: int
    strategy: str
    index: str
    build: str
    search: str
    copy: int
    qps_single: float
    qps_batch: float
    qps_threads: float
    latency_p50: float
    latency_p95: float
    latency_p99: float
    response_p50: float
    response_p95: float
    response_p99: float
    pressure: float
    steal: float
    others: float
    switches: int
    settled: bool
    overloaded: bool
    flagged: bool


ROUND_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(RoundRow))
_WHOLE = {"session", "round", "attempt", "copy", "switches"}
_TEXT = {"strategy", "index", "build", "search"}
_YES_OR_NO = {"settled", "overloaded", "flagged"}


def round_csv_row(row: RoundRow) -> list[str]:
    """Write a row as CSV fields: floats in full precision, NaN as the empty field."""

    def text(value: object) -> str:
        if isinstance(value, bool):
            return str(int(value))
        if isinstance(value, float):
            return "" if math.isnan(value) else repr(value)
        return str(value)

    return [text(getattr(row, name)) for name in ROUND_COLUMNS]


def round_from_fields(given: dict[str, Any]) -> RoundRow:
    """Rebuild a row from CSV text or from the journal; raises KeyError, TypeError or ValueError where it is not one."""

    def value(name: str) -> Any:
        field = given[name]
        if name in _TEXT:
            return str(field)
        if name in _WHOLE:
            return int(field)
        if name in _YES_OR_NO:
            return bool(int(field))
        return math.nan if field in ("", None) else float(field)

    return RoundRow(**{name: value(name) for name in ROUND_COLUMNS})


def read_rounds(folder: Path) -> tuple[RoundRow, ...]:
    """Read the rounds of a run directory; none where it has no ``rounds.csv``.

    Raises
    ------
    ResultError
        The file can't be read, its columns are not ours, or a row does not parse.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != ROUND_COLUMNS:
                found = ",".join(reader.fieldnames or ["none"])
                raise ResultError(Problem(str(path), f"the columns {','.join(ROUND_COLUMNS)}", found))
            return _parse(path, reader)
    except OSError as error:
        raise ResultError(Problem(str(path), f"a readable {FILE}", error.strerror or str(error))) from None


def _parse(path: Path, rows: Iterable[dict[str, Any]]) -> tuple[RoundRow, ...]:
    parsed = []
    for line, row in enumerate(rows, start=2):
        try:
            parsed.append(round_from_fields(row))
        except (TypeError, ValueError, KeyError) as error:
            raise ResultError(
                Problem(f"{path}: line {line}", "one round per line", f"a line that does not parse ({error})")
            ) from None
    return tuple(parsed)


def counted(rows: Sequence[RoundRow]) -> tuple[RoundRow, ...]:
    """Keep the attempt that counts: the last of every round."""
    last: dict[tuple[int, int], int] = {}
    for row in rows:
        key = (row.session, row.round)
        last[key] = max(last.get(key, 0), row.attempt)
    return tuple(row for row in rows if row.attempt == last[row.session, row.round])
