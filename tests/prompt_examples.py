"""Reads the examples in few-shot prompts, so that tests can check each one by the task's rules."""

LABELS = ("sure", "likely", "impossible")


def examples(text, *, start="Input: "):
    """Yield the first line and the other lines of each example, without headings and the question at the end."""
    for block in text.split(start)[1:-1]:
        first, *lines = block.strip().splitlines()
        yield first, [line for line in lines if not line.endswith(":")]


def value_examples(text):
    """Yield what is judged, the lines of thought, and the label, of a value prompt whose question is left empty."""
    _, *lines = text.strip().splitlines()
    judged, thoughts = None, []
    for line in lines:
        if judged is None:
            judged = line
        elif line in LABELS:
            yield judged, thoughts, line
            judged, thoughts = None, []
        else:
            thoughts.append(line)
