"""What every test may use."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# Failures in the suites that ship and in what tests share show their values, as those in test files do.
pytest.register_assert_rewrite("services.testing", "fleet", "processes")

_home = tempfile.TemporaryDirectory(prefix="kot-test-home-")


def pytest_configure():
    """What `kot` keeps for its user, it keeps where no test of another day finds it."""
    os.environ["XDG_DATA_HOME"] = _home.name
