"""The admin HTTP API: what an operator reads, does and profiles.

An app is a value built from parts (``app``); each router is one file;
``guard`` says who may use the routes that change state or look inside.
"""
