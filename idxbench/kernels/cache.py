"""Compiled kernels kept on disk, where an edit is never missed and a failure costs time only.

Numba's own cache (``cache=True``) stamps a kernel with the one file it stands in: an edit to a helper, a
constant or an intrinsic in another file is answered with the old machine code. It numbers its files by an
index that it reads, extends and writes back, so that two processes which compile different signatures at
once can point one signature at the code of the other. It falls back to ``__pycache__``, and lets a full
disk fail the call. Pointing ``numba.config.CACHE_DIR`` elsewhere while decorating mends the first of these
only, and not where ``NUMBA_CACHE_LOCATOR_CLASSES`` is set.

Here every state of the sources, of the compiler and of the CPU has a folder of its own, and every compiled
signature a file, renamed into place when it is whole.
"""

import contextlib
import hashlib
import os
import pickle
import platform
import re
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from llvmlite import binding
from numba.core import codegen, compiler, serialize

from idxbench.machine import cache_root
from idxbench.version import __version__

# Settings of Numba that change the code it makes, beside those of the CPU.
CODE_SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")

# Folders kept: enough for a few environments side by side, each of a few MB.
KEPT_FOLDERS = 16

_SOURCES = Path(__file__).parent
_DIGEST_BYTES = 32


def cpu_features() -> str:
    """Return the features Numba compiles for, as ``+avx2,-avx512f``; ``NUMBA_CPU_FEATURES`` replaces the host's."""
    given = numba.config.CPU_FEATURES
    return str(codegen.get_host_cpu_features() if given is None else given)


def _source_digest() -> bytes:
    """Hash every source file beside this one; empty where there is none (an installation without sources)."""
    hashed = hashlib.blake2b(digest_size=16)
    paths = sorted(_SOURCES.rglob("*.py"))
    for path in paths:
        content = path.read_bytes()
        hashed.update(f"{path.relative_to(_SOURCES)} {len(content)}\n".encode() + content)
    return hashed.digest() if paths else b""


# What this process runs. Sources edited after that (a long run, an update meanwhile) are another state.
_LOADED = _source_digest()


def kernel_folder(function: Callable[..., Any]) -> Path | None:
    """Return the folder for a kernel as it is now; None where its code can't be known from the files.

    ``NUMBA_CACHE_DIR`` is respected, then ``IDXBENCH_CACHE_DIR``, then the user's cache folder.
    """
    if not Path(function.__code__.co_filename).is_relative_to(_SOURCES) or not _LOADED or _source_digest() != _LOADED:
        return None
    config = numba.config
    state = (
        _LOADED.hex(),
        (numba.__version__, llvmlite.__version__, np.__version__),
        (sys.implementation.cache_tag, sys.abiflags, platform.machine()),
        (config.CPU_NAME or binding.get_host_cpu_name(), cpu_features()),
        [(name, getattr(config, name, None)) for name in CODE_SETTINGS],
    )
    key = hashlib.blake2b(repr(state).encode(), digest_size=12).hexdigest()
    root = Path(config.CACHE_DIR) / "idxbench" if config.CACHE_DIR else cache_root() / "numba"
    return root / f"{__version__}-{key}"


class KernelCache:
    """The disk cache of one kernel, in the shape a Numba dispatcher asks for.

    Whatever goes wrong is a miss: the folder is missing, can't be written, is full or damaged, or Numba has
    changed what it hands over. The kernel is compiled and works.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._folder = folder
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
        with contextlib.suppress(OSError):
            os.utime(folder)  # used: folders that are not go first

    @property
    def cache_path(self) -> str:
        """The folder, for Numba's statistics."""
        return str(self._folder)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the compiled result of a signature, or None."""
        target.refresh()
        try:
            stored = self._path(signature, target.codegen()).read_bytes()
            payload = stored[_DIGEST_BYTES:]
            if _checksum(payload) != stored[:_DIGEST_BYTES]:
                return None
            return compiler.CompileResult._rebuild(target, *pickle.loads(payload))
        except Exception:
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Store a compiled result, if it holds no address of this process."""
        with contextlib.suppress(Exception):
            if not compiled.library.has_dynamic_globals and all(loop.can_cache for loop in compiled.lifted):
                self._write(self._path(signature, compiled.codegen), serialize.dumps(compiled._reduce()))

    def _write(self, path: Path, payload: bytes) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            _prune(self._folder)
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            temporary.write_bytes(_checksum(payload) + payload)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def flush(self) -> None:
        """Forget every signature of this kernel (Numba's ``recompile``)."""
        for path in self._folder.glob(f"{self._name}.*"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _path(self, signature: Any, code: Any) -> Path:
        key = hashlib.blake2b(repr((str(signature), code.magic_tuple())).encode(), digest_size=12).hexdigest()
        return self._folder / f"{self._name}.{key}.nbc"


def _checksum(payload: bytes) -> bytes:
    """Guard against code that is damaged, not missing: after a crash of the machine files may hold zeros."""
    return hashlib.blake2b(payload, digest_size=_DIGEST_BYTES).digest()


def _prune(newest: Path) -> None:
    """Remove the folders longest unused, beyond the kept number; only folders named as ours are."""
    ours = [path for path in newest.parent.iterdir() if re.fullmatch(r"\d[^/]*-[0-9a-f]{24}", path.name)]
    ours.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in ours[KEPT_FOLDERS:]:
        shutil.rmtree(path, ignore_errors=True)
