"""``RUN::SELECTOR`` from the command line to loaded runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from idxbench.errors import ConfigError, Problem, ResultError
from idxbench.records import Run, find_run, finished_runs, load_run

# Keys of a config that say how long and how is measured or judged, and not what: raising the rounds keeps the baseline.
_EFFORT = {"gate", "name", "target_recall", "cache", "diagnose"}
_EFFORT_MEASURE = {"rounds", "doublings", "budget", "control", "rate"}

# Keys whose text is the path of a file.
_FILES = {
    "path", "ratings", "cache_dir", "python", "scales", "items", "queries", "pairs", "relevant", "interactions", "seen",
}  # fmt: skip


class OtherConfigurationError(ResultError):
    """There are finished runs to compare with, but of another configuration."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Parameters
    ----------
    text
        As given.
    runs
        Loaded, oldest first.
    selector
        What was behind ``::``; empty takes all.
    """

    text: str
    runs: tuple[Run, ...]
    selector: str


def split_side(text: str) -> tuple[Path, str]:
    """Take ``results/nightly::raw`` apart; a path that exists is taken as it is."""
    path, _, selector = text.partition("::")
    return (Path(text), "") if not path or Path(text).exists() else (Path(path), selector.strip())


def holds_runs(path: Path) -> bool:
    """Return whether a path is a run directory or holds one, finished or not."""
    return path.is_dir() and next(path.glob("**/run.json"), None) is not None


def are_runs(texts: Sequence[str]) -> bool:
    """Return whether paths name runs, and not files of vectors.

    Raises
    ------
    ConfigError
        Some are runs and others are files.
    """
    paths = [split_side(text)[0] for text in texts]
    runs = [path for path in paths if holds_runs(path)]
    files = [path for path in paths if path.is_file()]
    if runs and files:
        expected = f"a run directory or a parent of some, as {runs[0]} is"
        fix = "compare runs with runs, or item vectors with item vectors"
        raise ConfigError([Problem(str(path), expected, "a file", fix) for path in files])
    return bool(runs)


def load_side(text: str, n: int = 1, exclude: Sequence[Path] = (), like: Run | None = None) -> Side:
    """Load one side; see `find_runs`.

    Raises
    ------
    OtherConfigurationError, ResultError
        See `find_runs`; or a run can't be read.
    """
    path, selector = split_side(text)
    return Side(text, tuple(load_run(folder) for folder in find_runs(path, n, exclude, like)), selector)


def find_runs(path: Path, n: int = 1, exclude: Sequence[Path] = (), like: Run | None = None) -> list[Path]:
    """Return the run directories that a path stands for, oldest first.

    Parameters
    ----------
    path
        A run directory, which stands for itself, or a parent: its newest finished runs, of the configuration of the
        newest.
    n
        The most runs of a parent.
    exclude
        Run directories that don't count, as those of the other side; where they lie in the parent, theirs is the
        configuration that counts.
    like
        A run whose configuration counts, wherever it lies.

    Raises
    ------
    OtherConfigurationError
        All that there are have another configuration.
    ResultError
        There is none.
    """
    if (path / "run.json").is_file():
        return [path]
    left_out = {folder.resolve() for folder in exclude}
    kept: list[Path] = []
    others: list[list[str]] = []
    configuration = _configuration(like.info) if like else {}
    for folder, told in reversed(finished_runs(path)):
        # Where the other side comes from the same parent, it says which configuration is meant.
        configuration = configuration or _configuration(told)
        apart = _apart(configuration, _configuration(told))
        if apart:
            others.append(apart)
        elif folder.resolve() not in left_out:
            kept.append(folder)
        if len(kept) == n:
            break
    if others and not kept:
        raise _other_configuration(path, others)
    # Says what is wrong where there is none; where all that there is belongs to the other side, that is it.
    return kept[::-1] or [_only(path, left_out)]


def _only(path: Path, left_out: set[Path]) -> Path:
    newest = find_run(path)
    if newest.resolve() in left_out:
        raise ResultError(
            Problem(
                str(path),
                "a finished run besides the one it is compared with, of the same configuration",
                "no other",
                "run once more, or name two run directories",
            )
        )
    return newest


def _other_configuration(path: Path, others: Sequence[list[str]]) -> OtherConfigurationError:
    """Say how many there are, and which keys the newest of them differs in."""
    count = "1 finished run" if len(others) == 1 else f"{len(others)} finished runs"
    return OtherConfigurationError(
        Problem(
            str(path),
            "a finished run besides the one it is compared with, of the same configuration",
            f"{count} of another configuration ({', '.join(others[0])})",
            "run once more, or name two run directories, which are compared whatever their configurations",
        )
    )


def _configuration(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was measured, without how long, and what merely decides by it."""
    measured = {key: value for key, value in info.get("config", {}).items() if key not in _EFFORT}
    effort = measured.pop("measure", {})
    measured |= {f"measure.{key}": value for key, value in effort.items() if key not in _EFFORT_MEASURE}
    data, identity = info.get("data", {}), info.get("identity", {})
    return {
        **{key: _without_folders(value) for key, value in measured.items()},
        # What is in the files: two data sets of one name are two configurations.
        **{f"content of {key}": value for key, value in data.get("fingerprints", {}).items()},
        **{f"content of {key}": value for key, value in identity.get("files", {}).items()},
        "only": info.get("only", []),
    }


def _without_folders(value: Any, key: str = "") -> Any:
    """Return a config with files by their names alone: where a checkout or an environment lies is no other one."""
    if isinstance(value, Mapping):
        return {name: _without_folders(held, name) for name, held in value.items()}
    if isinstance(value, list):
        return [_without_folders(held, key) for held in value]
    return PurePath(value).name if isinstance(value, str) and key in _FILES else value


def _apart(one: dict[str, Any], two: dict[str, Any]) -> list[str]:
    """Return the keys that differ; one that a side has not is one that its version did not know."""
    return sorted(key for key in one.keys() & two.keys() if one[key] != two[key])


def load_sides(base: str, others: Sequence[str], n: int = 1, *, alike: bool = False) -> tuple[Side, tuple[Side, ...]]:
    """Load the base and what it is compared with.

    A parent of both sides stands for its newest runs as the other side and for those before them as the base, unless
    selectors make two sides of one run. With ``alike`` any parent stands for its runs of the other side's
    configuration as the base.

    Raises
    ------
    ConfigError
        Both sides are the same run without a selector, or a path is no run.
    ResultError
        There are no runs.
    """
    sides = tuple(load_side(text, n) for text in others)
    selector = split_side(base)[1]
    selected = bool(selector) or any(side.selector for side in sides)
    exclude = [] if selected else [run.path for side in sides for run in side.runs]
    first = load_side(base, n, exclude, sides[0].runs[-1] if alike else None)
    for side in sides:
        if not selected and _paths(first) & _paths(side):
            raise ConfigError(
                Problem(
                    f"{base} and {side.text}",
                    "two runs, or two sides of one",
                    "the same run",
                    f"say what of it to compare: {base}::STRATEGY {side.text}::STRATEGY",
                )
            )
    return first, sides


def _paths(side: Side) -> set[Path]:
    return {run.path.resolve() for run in side.runs}
