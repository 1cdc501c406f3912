"""Messages of the wire as words and JSON, and texts of a model as text that a terminal can be given."""

from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1 import thought_pb2


def one_line(text: str) -> str:
    """Return a text on one line, in which nothing commands a terminal: what cannot be printed is shown by its code."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _code(sign) for sign in text)


def _code(sign: str) -> str:
    return " ⏎ " if sign == "\n" else ascii(sign)[1:-1]


def state_of(solve: wire.SolveDescription) -> str:
    """Return where a solve stands: RUNNING, PARKED, FAILED, or how it ended."""
    if solve.state == wire.SOLVE_STATE_ENDED:
        return wire.SolveStatus.Name(solve.status).removeprefix("SOLVE_STATUS_")
    return wire.SolveState.Name(solve.state).removeprefix("SOLVE_STATE_")


def thought_state_of(thought: wire.TreeThought) -> str:
    """Return what became of a thought: open, pruned, failed, rejected or answer."""
    return wire.ThoughtStatus.Name(thought.status).removeprefix("THOUGHT_STATUS_").lower()


def usage_of(usage: thought_pb2.Usage) -> dict[str, float]:
    """Return what was spent, as JSON says it."""
    return {
        "model_calls": usage.model_calls,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cache_hits": usage.cache_hits,
        "dollars": usage.dollars,
    }
