"""The outside world, one file per thing; each implements a port of `services.core.ports`."""
