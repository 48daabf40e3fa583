"""Profiles of the running process: CPU, memory, calls, and stacks at once."""
