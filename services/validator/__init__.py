"""The validator: checks complete solutions by the task's rule."""
