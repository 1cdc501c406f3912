"""The generator: proposes next thoughts with a language model."""
