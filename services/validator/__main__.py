"""Runs the validator: `python -m services.validator`."""

from services.process import run
from services.validator.wiring import mounts

if __name__ == "__main__":
    run("validator", lambda _: mounts())
