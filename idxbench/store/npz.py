"""``.npz`` files of a run: packed whole, and read back with words for one that is torn."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from idxbench.errors import Problem, ResultError


def packed(arrays: Mapping[str, Any]) -> bytes:
    """Return arrays as the bytes of an ``.npz``."""
    # Written to memory first: an archive that finds the disk full complains once more, with a traceback, when closed.
    file = io.BytesIO()
    # NumPy's own keyword, allow_pickle, is what its stubs take every other name for.
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@contextmanager
def opened(path: Path, without: str) -> Iterator[NpzFile]:
    """Open a file for as long as the block lasts; what fails in the block counts as the file's fault.

    Parameters
    ----------
    path
        The file.
    without
        What a run can be read without once the file is removed.

    Raises
    ------
    ResultError
        The file can't be read, or is not ours.
    """
    try:
        # Opened here: NumPy leaves a file open that turns out to be torn.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            yield file
    # RuntimeError: a flag that was flipped to "encrypted".
    except (OSError, ValueError, KeyError, IndexError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        torn = "a torn file, or one of another kind"
        found = error.strerror or torn if isinstance(error, OSError) else torn
        fix = f"remove it to read the run without its {without}"
        raise ResultError(Problem(str(path), f"a readable {path.name}", found, fix)) from None
