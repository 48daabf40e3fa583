"""Faults put into a running cluster under load, and the proof of what it kept: ``make faults``."""
