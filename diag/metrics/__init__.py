"""What the node counts about itself, and how it is told to a scraper.

``registry`` counts on the request path, ``names`` lists every family,
``collector`` joins both with the ordered log, ``exposition`` writes the text.
"""
