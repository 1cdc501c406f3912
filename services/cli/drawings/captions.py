"""What is said of a thought, in every form of drawing."""

from services.cli.wording import one_line, thought_state_of
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

MARKS = {"answer": "✔", "open": "●", "pruned": "○", "rejected": "✘", "failed": "!"}
ON_PATH = "◆"
MERGED = "⇄"
LEGEND = f"✔ answer  {ON_PATH} on the way to it  ● open  ○ pruned  ✘ rejected  ! failed  {MERGED} reached again"


def mark_of(thought: wire.TreeThought) -> str:
    """Return the sign for what became of a thought."""
    state = thought_state_of(thought)
    return ON_PATH if thought.on_answer_path and state != "answer" else MARKS[state]


def remarks_on(thought: wire.TreeThought) -> str:
    """Return its score, and why it was left aside; empty if there is nothing to say."""
    score = f"{thought.score:.2f}" if thought.HasField("value") else ""
    state = thought_state_of(thought)
    aside = "" if state in ("open", "answer") else state
    note = one_line(thought.note)
    why = f"{aside}: {note}" if aside and note else aside or note
    return "  ".join(part for part in (score, why) if part)


def caption_of(thought: wire.TreeThought) -> str:
    """Return a thought on one line."""
    remarks = remarks_on(thought)
    return f"{mark_of(thought)} {one_line(thought.text)}" + (f"  {remarks}" if remarks else "")
