"""Runs the validator: `python -m services.validator`."""

from services.process import run_with_model
from services.validator.wiring import mounts

if __name__ == "__main__":
    # Most tasks have a rule, and need no model.
    run_with_model("validator", mounts, when_needed=True)
