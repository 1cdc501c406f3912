"""From the likeliest first tokens to the probabilities of labels."""

import math
from collections.abc import Iterable, Sequence


def label_probabilities(labels: Sequence[str], tokens: Iterable[tuple[str, float]]) -> tuple[float, ...]:
    """Sum the probability of every first token, given with its logarithm, that begins a label."""
    begun = [(token.strip(), math.exp(min(0.0, logarithm))) for token, logarithm in tokens]
    return tuple(sum(p for text, p in begun if text and label.startswith(text)) for label in labels)
