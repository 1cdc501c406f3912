"""Failures in the suites that ship show their values, as those in test files do."""

import pytest

pytest.register_assert_rewrite("services.testing")
