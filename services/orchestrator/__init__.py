"""The orchestrator: grows the tree of thoughts and answers `Solve`."""
