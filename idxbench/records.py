"""The one record type of the program, its schema and version, and the run read back from disk."""

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idxbench.errors import Problem, ResultError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
# Of what measures: raised when the same config and data would be measured in another way, so that no run is half of
# one and half of the other.
MEASURING = 2


@dataclass(frozen=True)
class Notice:
    """Something the reader must know, with what to do about it.

    Parameters
    ----------
    code
        A stable short name, for filters and tests: ``unreachable-items``.
    text
        What was seen, with its numbers.
    advice
        What to do. Empty where nothing needs doing.
    """

    code: str
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Measurement:
    """One figure: a row of ``measurements.csv``, in the order of its columns.

    Parameters
    ----------
    task
        ``retrieve``, ``similar``, ``cluster``, ``validate``, ``recover``, ``probe``, ``trainings``, or ``run`` for
        figures of the whole run.
    strategy, similarity, index
        Names; ``index`` is empty where no index took part.
    build, search
        Compact JSON objects of parameters, empty for exact search.
    k
        Depth of the neighbour lists; 0 where none is meant. For ``cluster``, the number of clusters.
    metric, reference
        What was measured, and against which reference it was graded.
    value, low, high
        The figure and its 95 % interval; NaN where there is none.
    n
        How many observations stand behind it.
    unit
        ``s``, ``bytes``, ``share``, ``1/s``, ``count`` or empty.
    """

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


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Measurement))


def compact_json(parameters: Mapping[str, Any]) -> str:
    """Write parameters as the shortest JSON object in their own order; empty when there are none."""
    return json.dumps(dict(parameters), separators=(",", ":"), allow_nan=False) if parameters else ""


def plain_parameters(text: str) -> str:
    """Write a ``build`` or ``search`` column for a sentence: ``M=16, ef_construction=200``."""
    return ", ".join(f"{key}={value}" for key, value in json.loads(text).items()) if text else ""


def measurement_from_dict(row: Mapping[str, Any]) -> Measurement:
    """Rebuild a record from a row of CSV text or of the journal (missing numbers read as NaN)."""

    def number(name: str) -> float:
        value = row[name]
        return math.nan if value in ("", None) else float(value)

    return Measurement(
        task=str(row["task"]),
        strategy=str(row["strategy"]),
        similarity=str(row["similarity"]),
        index=str(row["index"]),
        build=str(row["build"]),
        search=str(row["search"]),
        k=int(row["k"]),
        metric=str(row["metric"]),
        reference=str(row["reference"]),
        value=number("value"),
        low=number("low"),
        high=number("high"),
        n=int(row["n"]),
        unit=str(row["unit"]),
    )


def measurement_to_dict(row: Measurement) -> dict[str, Any]:
    """Turn a record into plain JSON values; NaN, which JSON has no word for, becomes None."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(row).items()
    }


def csv_row(row: Measurement) -> list[str]:
    """Write a record as CSV fields: floats in full precision, NaN as the empty field."""

    def text(value: object) -> str:
        if isinstance(value, float):
            return "" if math.isnan(value) else repr(value)
        return str(value)

    return [text(getattr(row, name)) for name in COLUMNS]


def read_measurements(path: Path) -> tuple[Measurement, ...]:
    """Read ``measurements.csv``.

    Raises
    ------
    ResultError
        The file is missing, its columns are not ours, or a row does not parse.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ResultError(
                    Problem(str(path), f"the columns {','.join(COLUMNS)}", ",".join(reader.fieldnames or ["none"]))
                )
            return _parse_rows(path, reader)
    except OSError as error:
        raise ResultError(Problem(str(path), "a readable measurements.csv", error.strerror or str(error))) from None


def _parse_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> tuple[Measurement, ...]:
    parsed = []
    for line, row in enumerate(rows, start=2):
        try:
            parsed.append(measurement_from_dict(row))
        except (TypeError, ValueError, KeyError) as error:
            raise ResultError(
                Problem(f"{path}: line {line}", "one figure per line", f"a line that does not parse ({error})")
            ) from None
    return tuple(parsed)


def load_run(path: str | Path) -> "Run":
    """Read a run directory, or the newest finished run of a parent of run directories.

    Raises
    ------
    ResultError
        There is none there, or it can't be read.
    """
    folder = find_run(Path(path))
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(Problem(str(folder / "run.json"), "a readable run.json", str(error))) from None
    version = info.get("schema_version") if isinstance(info, dict) else None
    if version != SCHEMA_VERSION:
        raise ResultError(
            Problem(
                str(folder / "run.json"),
                f"schema version {SCHEMA_VERSION}",
                f"version {version}",
                "read it with the idxbench that wrote it",
            )
        )
    if "data" not in info and info.get("status") != "finished":
        raise ResultError(
            Problem(str(folder), "a run with something measured", f"nothing yet (it is {info.get('status')})")
        )
    return Run(folder, info, read_measurements(folder / "measurements.csv"))


def find_run(path: Path) -> Path:
    """Return a run directory: the path itself, or the newest finished run below it.

    Raises
    ------
    ResultError
        Neither.
    """
    if (path / "run.json").is_file():
        return path
    finished = finished_runs(path)
    if finished:
        return finished[-1][0]
    found = "no finished run in it" if path.is_dir() else "a file" if path.exists() else "no such folder"
    raise ResultError(
        Problem(
            str(path),
            "a run directory, or a folder of them such as results/NAME",
            found,
            "name the folder that holds run.json; the last line of 'idxbench run' says which it is",
        )
    )


def finished_runs(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return the finished run directories below a folder and their ``run.json``, oldest first; see `start_of`."""
    found = []
    for file in path.glob("**/run.json"):
        try:
            info = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(info, dict) and info.get("status") == "finished":
            found.append((file.parent, info))
    return sorted(found, key=lambda run: start_of(*run))


def start_of(folder: Path, info: Mapping[str, Any]) -> tuple[float, str]:
    """Return what sorts run directories by age: when the run started, as it or its folder's name says, and the name.

    A folder that was renamed, as a kept ``release-1.0`` is, stays as old as it is.
    """
    stamp = re.search(r"\d{8}T\d{6}Z", folder.name)
    try:
        started = datetime.fromisoformat(str(info.get("started") or (stamp.group() if stamp else "")))
    except ValueError:
        return 0.0, folder.name
    return started.timestamp(), folder.name


@dataclass(frozen=True)
class Run:
    """A run as it lies on disk.

    Parameters
    ----------
    path
        The run directory.
    info
        ``run.json``: resolved config, data, versions, machine, notices, failures, exit status.
    measurements
        Every figure, in the order it was measured.
    """

    path: Path
    info: Mapping[str, Any] = field(repr=False)
    measurements: tuple[Measurement, ...] = field(repr=False)

    @property
    def table(self) -> "pd.DataFrame":
        """The figures as a pandas DataFrame, one row per figure, columns as in ``measurements.csv``."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.measurements], columns=list(COLUMNS))

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the run noticed, in the order it was noticed."""
        return tuple(Notice(**notice) for notice in self.info.get("warnings", ()))
