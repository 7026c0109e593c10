"""What all tests share."""

import os

from hypothesis import settings

from idxbench.machine import cache_root

# Tests give their processes fresh folders for caches. Compiled kernels, which take seconds, are shared all the same:
# they are keyed by their sources.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_root() / "tests"))

# On CI a change is judged by examples that the change before it saw, too; elsewhere every run looks further.
settings.register_profile("ci", derandomize=True)
settings.register_profile("search")
settings.load_profile("ci" if os.environ.get("CI") else "search")
