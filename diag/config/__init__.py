"""The configuration: databend-meta's keys, its file, and its flags.

``model`` says which keys there are, ``load`` reads them from a file and flags,
``show`` prints the effective values with secrets redacted, ``secrets`` says which values those are.
"""

from diag.config.load import load_config
from diag.config.model import Config
from diag.config.secrets import secrets_of
from diag.config.show import show_config

__all__ = ["Config", "load_config", "secrets_of", "show_config"]
