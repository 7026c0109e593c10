"""Progress bars on standard error; nothing where that is no terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from idxbench.bench.progress import Advance


class Bars:
    """One bar per stage; a finished stage leaves no trace."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Show a stage while it runs."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        bars = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        with bars:
            task = bars.add_task(name, total=total)
            yield lambda n: bars.advance(task, n)
