"""The web page: begin, watch and steer solves in a browser. A client of the orchestrator, and nothing else."""
