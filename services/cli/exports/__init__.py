"""Solves as lines of JSON, to learn from; docs/export.md says what is in them."""
