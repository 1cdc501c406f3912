"""A scripted player of word ladders, for the worked example in docs/examples."""

import random
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "word-ladder.yaml"
PROBLEM = "cold -> warm"
ANSWER = "cold, cord, card, ward, warm"
NEXT = {
    "cold": ("cord", "bold", "told"),
    "cord": ("card", "word", "core"),
    "card": ("ward", "care"),
    "word": ("ward", "wore"),
    "ward": ("warm", "wary"),
}
REACHED = {"cord": "likely", "card": "likely", "word": "likely", "ward": "sure", "warm": "sure"}


def play(prompt, seed):
    """Propose as the prompt of the example asks, judge well, and find the one right answer right."""
    start, *steps = prompt.rpartition("Ladder: ")[2].splitlines()
    words = [start.partition(" ")[0], *(step for step in steps if step and step != "Next:")]
    if "Check the answer" in prompt:
        return "I checked.\n" + ("certain" if prompt.endswith(f"Answer: {ANSWER}\n") else "impossible")
    if "Can the\ngoal" in prompt:
        return f"let me see\n{REACHED.get(words[-1], 'impossible')}"
    if words[-1] == "warm":
        return f"Answer: {', '.join(words)}"
    lines = [f"{number}. {word}" for number, word in enumerate(NEXT.get(words[-1], ()), start=1)]
    random.Random(f"{seed}{prompt}").shuffle(lines)
    return "\n".join(["Possible words:", *lines])
