"""Settings for a person: a wrong environment variable is one clear line."""

import os
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from services.core.errors import InvalidInput
from services.settings import ServerSettings
from services.telemetry import logs

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Read settings from the environment; `InvalidInput` names the first variable that is wrong."""
    try:
        return kind()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"KOT_{name.upper()}"
        raise InvalidInput(f"environment variable {variable}: {first['msg']}", field=variable) from error


def configure_logs(level: str | None) -> None:
    """Log from this process at `level`; at `KOT_LOG_LEVEL` if none was chosen. gRPC's own lines are left out."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    server = read_settings(ServerSettings)
    logs.configure(service="kot", pod=server.pod, revision=server.revision, level=level or server.log_level)
