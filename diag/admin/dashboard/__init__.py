"""The operator's pages at ``/``: what the admin API tells, for people.

Pages are drawn by the node (Jinja, with everything escaped) and can be read without a script. One script of
our own keeps them live and offers what changes something, by the routes of the API that everybody else uses.
"""
