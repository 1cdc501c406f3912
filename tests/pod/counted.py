"""`python counted.py services.NAME`: runs a service whose model is slow and writes down its calls."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))

import hooks

hooks.install()
runpy.run_module(sys.argv[1], run_name="__main__")
