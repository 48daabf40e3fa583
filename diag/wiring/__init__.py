"""How the parts of a node are made and put together. Nothing is started here; ``node`` knows the order."""
