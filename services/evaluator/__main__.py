"""Runs the evaluator: `python -m services.evaluator`."""

from services.evaluator.wiring import mounts
from services.process import run_with_model

if __name__ == "__main__":
    run_with_model("evaluator", mounts)
