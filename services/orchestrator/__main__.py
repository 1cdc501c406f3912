"""Runs the orchestrator: `python -m services.orchestrator`."""

from services.orchestrator.wiring import mounts
from services.process import run
from services.settings import OrchestratorSettings, StageSettings, read_settings

if __name__ == "__main__":
    run(
        "orchestrator",
        lambda resources: mounts(resources, read_settings(StageSettings), read_settings(OrchestratorSettings)),
    )
