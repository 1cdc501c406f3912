"""Settings for a person: a wrong environment variable is one clear line."""

from services.settings import ServerSettings, read_settings
from services.telemetry import logs


def configure_logs(level: str | None) -> None:
    """Log from this process at `level`; at `KOT_LOG_LEVEL` if none was chosen."""
    server = read_settings(ServerSettings)
    logs.configure(service="kot", pod=server.pod, revision=server.revision, level=level or server.log_level)
