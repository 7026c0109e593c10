"""Files that a command is asked to write: what can be wrong with them is said before any work."""

from pathlib import Path

from idxbench.errors import ConfigError, Problem


def check_new_file(option: str, target: Path, *, force: bool) -> None:
    """Refuse what would be overwritten, or could not be written.

    Raises
    ------
    ConfigError
        A folder, a file that is there (without ``force``), or no folder to put it in.
    """
    problem = None
    if target.is_dir():
        problem = Problem(f"{option} {target}", "a file", "a folder", "name a file in it, such as report.html")
    elif target.exists() and not force:
        problem = Problem(f"{option} {target}", "a new file", "one that exists", "--force overwrites it")
    elif not target.parent.is_dir():
        problem = Problem(f"{option} {target}", "a folder that exists", f"no folder {target.parent}", "make it first")
    if problem is not None:
        raise ConfigError([problem])
