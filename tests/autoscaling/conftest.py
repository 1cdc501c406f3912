"""What the benchmarks compute with is tested as it is imported there."""

import sys
from pathlib import Path

# Last: some of the modules there are named as some here are.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
