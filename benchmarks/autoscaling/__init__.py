"""A model of Knative's autoscaler, and of services that it scales: pure, deterministic, without a clock of its own."""
