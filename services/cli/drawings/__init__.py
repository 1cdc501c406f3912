"""Drawings of trees, one form a module. Each takes the thoughts as they come, and gives text as soon as it can."""
