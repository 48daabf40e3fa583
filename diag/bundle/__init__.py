"""Evidence in one file: what the nodes say of themselves, over a while, with profiles, for who is elsewhere.

``items`` says what is asked, ``collect`` asks it, by any way there is to the nodes, and ``archive`` writes
what comes into one compressed file whose index tells what failed and why. ``redact`` takes secrets out of it.
"""
