"""How the work tells whoever waits how far it is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Shows stages of known length."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Begin a stage of ``total`` steps; the value of the context is called with steps done."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Ignore every step."""
        yield lambda n: None
