"""Starts services as processes, and each again, at the same port and at once, when it was killed.

`python nursery.py SERVICES` with a JSON file of services: `[{"name", "module", "environment", "log"}]`. It imports them
once and forks, so that a service is back in a moment. Each start and each end is a JSON line on stdout. They die with
it.
"""

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path

import hooks

IMPORTED_ONCE = [
    "redis.asyncio",
    "services.process",
    *(f"services.{name}.wiring" for name in ("orchestrator", "generator", "evaluator", "validator")),
]
PR_SET_PDEATHSIG = 1


def start(service):
    """Fork; return the child's process id."""
    pid = os.fork()
    if pid:
        print(json.dumps({"name": service["name"], "started": pid}), flush=True)
        return pid
    code = 70
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.environ.update(service["environment"])
        log = os.open(f"{service['log']}.{os.getpid()}", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.argv = [service["module"]]
        runpy.run_module(service["module"], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.stderr.flush()
        os._exit(code)


def main():
    """Run until killed."""
    for module in IMPORTED_ONCE:
        importlib.import_module(module)
    hooks.install()
    services = json.loads(Path(sys.argv[1]).read_text())
    running = {start(service): service for service in services}
    while True:
        pid, status = os.wait()
        service, code = running.pop(pid), os.waitstatus_to_exitcode(status)
        print(json.dumps({"name": service["name"], "ended": code}), flush=True)
        if code == -signal.SIGKILL:
            running[start(service)] = service


if __name__ == "__main__":
    main()
