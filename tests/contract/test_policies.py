"""Every search policy that ships keeps the contract of policies; a new file is found by its name."""

from services.plugins import STRATEGIES
from services.testing.policy_suite import PolicySuite

NOT_EXHAUSTIVE = {"io", "cot", "cot_sc", "sample_until_valid", "paper_bfs"}
"""Strategies that sample and do not search, or search once."""

for _name in STRATEGIES.names():
    _members = {"strategy": STRATEGIES.load(_name), "expands_everything": _name not in NOT_EXHAUSTIVE}
    globals()[f"Test_{_name}"] = type(f"Test_{_name}", (PolicySuite,), _members)
