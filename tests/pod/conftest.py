"""What the tests of pods have in common."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "chaos")]
pytest.register_assert_rewrite("pods", "queue_proxy")
