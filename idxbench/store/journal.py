"""``journal.jsonl``: one line per finished unit, written at once and synced to disk; what a resumed run knows.

A line is an object::

    schema_version  of the rows
    id              hash of the unit, of what of the config it depends on, of the data and of the measuring code
    session         which start of the run wrote it, from 1
    unit            what was done: {"kind": "strategy", "strategy": "raw"}
    status          ok or failed
    reason          why it failed
    rows            its rows of measurements.csv
    rounds          its rows of rounds.csv, where it has any
    arrays          names of the arrays it needs, where it needs any
    told            what else it said, where it said anything: notices, facts

Every start of a run begins with a line whose unit is ``{"kind": "session", "n": 1, ...}``: who writes from here on.

A unit that failed counts in the session in which it failed: every later session tries it again, and its line of
then no longer counts, so that a machine that was out of memory for an hour costs nothing but that hour.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from idxbench.errors import Problem, ResultError
from idxbench.records import SCHEMA_VERSION, Measurement, measurement_from_dict, measurement_to_dict
from idxbench.store.files import append
from idxbench.store.round_rows import RoundRow, round_from_fields

FILE = "journal.jsonl"
# Of the lines above. Journals of another format are not resumed.
FORMAT = 2
OK, FAILED = "ok", "failed"


@dataclass(frozen=True)
class Entry:
    """One line.

    Parameters
    ----------
    unit
        What was done.
    session
        Which start of the run did it.
    rows, rounds
        Its figures.
    failed
        Whether it failed; then its rows say so.
    reason
        Why.
    arrays
        Names of the arrays that were saved for it.
    told
        What else it said.
    id
        Hash of the unit and of what it depends on.
    """

    unit: Mapping[str, Any]
    session: int
    rows: tuple[Measurement, ...] = ()
    rounds: tuple[RoundRow, ...] = ()
    failed: bool = False
    reason: str = ""
    arrays: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""

    @property
    def key(self) -> str:
        """The unit as text that is equal where units are equal."""
        return unit_key(self.unit)


@dataclass(frozen=True)
class Journal:
    """A journal as it lies on disk.

    Parameters
    ----------
    entries
        Whole lines, in their order.
    n_bytes
        How far they reach.
    n_torn
        Bytes after that: a line that was being written when its writer died.
    """

    entries: tuple[Entry, ...]
    n_bytes: int
    n_torn: int

    @property
    def sessions(self) -> tuple[Mapping[str, Any], ...]:
        """Who wrote, start by start."""
        return tuple(entry.unit for entry in self.entries if is_session(entry))


def unit_key(unit: Mapping[str, Any]) -> str:
    """Write a unit as text that is equal where units are equal."""
    return json.dumps(dict(unit), sort_keys=True, separators=(",", ":"), allow_nan=False)


def is_session(entry: Entry) -> bool:
    """Tell whether a line only says that a start of the run began."""
    return entry.unit.get("kind") == "session"


def append_entry(folder: Path, entry: Entry) -> None:
    """Add a line, and return once the disk has it.

    Raises
    ------
    OSError
        It can't be written. The journal is as it was.
    """
    line: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "id": entry.id,
        "session": entry.session,
        "unit": dict(entry.unit),
        "status": FAILED if entry.failed else OK,
        "reason": entry.reason,
        "rows": [measurement_to_dict(row) for row in entry.rows],
    }
    if entry.rounds:
        line["rounds"] = [_round_to_dict(row) for row in entry.rounds]
    if entry.arrays:
        line["arrays"] = list(entry.arrays)
    if entry.told:
        line["told"] = dict(entry.told)
    append(folder / FILE, (json.dumps(line, allow_nan=False) + "\n").encode(), sync=True)


def read_journal(folder: Path) -> Journal:
    """Read the journal of a run directory; a last line without its end is left out.

    Raises
    ------
    ResultError
        It can't be read, or a line that has its end is none of ours: that is no accident of a writer that died.
    """
    path = folder / FILE
    try:
        data = path.read_bytes() if path.is_file() else b""
    except OSError as error:
        raise ResultError(Problem(str(path), "a readable journal", error.strerror or str(error))) from None
    n_bytes = data.rfind(b"\n") + 1
    lines = data[:n_bytes].split(b"\n")[:-1]
    entries = tuple(_parse(path, number, line) for number, line in enumerate(lines, start=1))
    return Journal(entries, n_bytes, len(data) - n_bytes)


def standing(entries: Iterable[Entry], session: int) -> dict[str, Entry]:
    """Return what counts in a session: each unit's last line, without what failed in an earlier session."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if not is_session(entry) and not (entry.failed and entry.session < session):
            # A line that takes the place of another stands where it was written.
            found.pop(entry.key, None)
            found[entry.key] = entry
    return found


def rows_of(entries: Iterable[Entry]) -> list[Measurement]:
    """Return the figures of entries, in their order."""
    return [row for entry in entries for row in entry.rows]


def rounds_of(entries: Iterable[Entry]) -> list[RoundRow]:
    """Return the rounds of entries, in their order."""
    return [row for entry in entries for row in entry.rounds]


def _round_to_dict(row: RoundRow) -> dict[str, Any]:
    # NaN, which JSON has no word for, becomes None.
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(row).items()
    }


def _parse(path: Path, number: int, line: bytes) -> Entry:
    try:
        given = json.loads(line.decode("utf-8"))
        return _entry(given)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ResultError(
            Problem(
                f"{path}: line {number}",
                "one finished unit per line",
                f"a line that does not parse ({type(error).__name__}: {error})",
                "the file was changed or damaged; run without --resume to begin afresh",
            )
        ) from None


def _entry(given: Mapping[str, Any]) -> Entry:
    if given["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema version {given['schema_version']} and not {SCHEMA_VERSION}")
    if given["status"] not in (OK, FAILED):
        raise ValueError(f"status {given['status']}")
    return Entry(
        unit=dict(given["unit"]),
        session=int(given["session"]),
        rows=tuple(measurement_from_dict(row) for row in given["rows"]),
        rounds=tuple(round_from_fields(row) for row in given.get("rounds", ())),
        failed=given["status"] == FAILED,
        reason=str(given["reason"]),
        arrays=_names(given.get("arrays", ())),
        told=dict(given.get("told", {})),
        id=str(given["id"]),
    )


def _names(given: Sequence[Any]) -> tuple[str, ...]:
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise TypeError("arrays that are no names")
    return tuple(given)
