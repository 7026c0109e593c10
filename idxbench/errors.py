"""The only errors a user sees: where, what was expected, what was found, and how to fix it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One mistake, told so that its reader can mend it without asking.

    Parameters
    ----------
    where
        The file, and inside it the dotted key, row or byte: ``config.toml: index[0].M``.
    expected
        What would have been right.
    found
        What was there instead.
    fix
        What to do about it. Empty when ``expected`` already says so.
    """

    where: str
    expected: str
    found: str
    fix: str = ""

    def __str__(self) -> str:
        lines = [self.where, f"  expected: {self.expected}", f"  found:    {self.found}"]
        if self.fix:
            lines.append(f"  fix:      {self.fix}")
        return "\n".join(lines)


class IdxbenchError(Exception):
    """Base of the three errors below; carries one or more problems, all found in one go."""

    exit_code = 2

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type["IdxbenchError"], tuple[tuple[Problem, ...]]]:
        # Exceptions pickle by their args, which hold the text and not the problems.
        return type(self), (self.problems,)


class ConfigError(IdxbenchError):
    """The command line or the config asks for something that can't be."""


class DataError(IdxbenchError):
    """A data file is missing, broken, or does not fit the others."""


class ResultError(IdxbenchError):
    """A result can't be written, read back, or believed."""
