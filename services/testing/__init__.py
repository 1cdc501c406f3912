"""Contract suites that ship: what every task and every search policy must do, ready to run on one of your own.

A suite is a class of tests with one attribute to set. They need pytest and hypothesis, which the `dev` extra installs.
For failures that show their values, add `pytest.register_assert_rewrite("services.testing")` to a `conftest.py`.
"""
