"""The domain: thoughts, trees, search, budgets, and the ports to the outside. Standard library only, no I/O."""
