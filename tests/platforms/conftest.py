"""Which of these tests run: compiling for every processor takes minutes, so only `make platforms` does it."""

import os

# A file that is named on the command line is collected all the same.
collect_ignore = [] if os.environ.get("WAVTOOLS_SOAK") else ["test_compilers.py"]
