"""Stands in for pip where the documentation's commands are tried: says yes to extras that pyproject.toml has."""

import re
import sys
from pathlib import Path

wanted = {extra for argument in sys.argv[1:] for extra in re.findall(r"[\w-]+", argument.partition("[")[2])}
declared = set(re.findall(r"^(\w+) = \[", (Path(__file__).parents[1] / "pyproject.toml").read_text(), re.M))
sys.exit(f"no such extra: {wanted - declared}" if wanted - declared else 0)
