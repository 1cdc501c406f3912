"""The embedded thought model: its data, training, evaluation and weights."""
