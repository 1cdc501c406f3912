"""The evaluator: judges partial solutions with a language model."""
