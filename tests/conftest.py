"""Settings of all tests."""

from hypothesis import settings

# An example may take long on a busy machine, which says nothing about the code.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
