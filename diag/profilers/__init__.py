"""Profiles of the running process: CPU by py-spy or from inside, memory by memray, calls by cProfile, stacks at once."""
