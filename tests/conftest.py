"""What every test may use."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# Failures in the suites that ship and in what tests share show their values, as those in test files do.
pytest.register_assert_rewrite("services.testing", "fleet", "processes")
