"""The validator: checks complete solutions by the task's rule or by asking a language model."""
