"""Kube of Thoughts: language models solve problems by searching a tree of thoughts."""

import os

# gRPC's core reads this when it is first imported. What it would write between our log lines, its callers get as
# exceptions.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
