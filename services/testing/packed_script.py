"""A scripted model that answers packed prompts (`services.adapters.packing`) in the form that they ask for."""

import re
from collections.abc import Container

from services.adapters.llm.scripted import Script

_HEADING = re.compile(r"\n### (\d+)\n")


def obey(prompt: str, seed: int, *, tell: Script, forget: Container[str] = ()) -> str:
    """Continue a packed prompt, or one text, as the script `tell` does; leave out the answers numbered `forget`."""
    if "### Task\n" not in prompt:
        return tell(prompt, seed)
    beginning, _, rest = prompt.partition("\n### Task\n")
    _, *parts = _HEADING.split(rest)
    answers = zip(parts[::2], parts[1::2], strict=True)
    return "\n".join(
        f"### {number}\n{tell(beginning + text, seed)}\n" for number, text in answers if number not in forget
    )
