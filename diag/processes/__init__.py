"""Processes of a node's own: how they find its code, and how they end with it."""
