"""What all tests share."""

import os

from hypothesis import settings

# On CI a change is judged by examples that the change before it saw, too; elsewhere every run looks further.
settings.register_profile("ci", derandomize=True)
settings.register_profile("search")
settings.load_profile("ci" if os.environ.get("CI") else "search")
