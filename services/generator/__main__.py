"""Runs the generator: `python -m services.generator`."""

from services.generator.wiring import mounts
from services.process import run_with_model

if __name__ == "__main__":
    run_with_model("generator", mounts)
