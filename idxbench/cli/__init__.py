"""The commands: one file each, that parses, calls one function, prints, and returns an exit code."""

from idxbench.cli.app import main

__all__ = ["main"]
