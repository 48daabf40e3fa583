"""Logs as databend-meta's ``[log]`` sections describe them, and the id that ties a request's lines."""

from diag.logs.start import level_of, log_file, start_logging

__all__ = ["level_of", "log_file", "start_logging"]
