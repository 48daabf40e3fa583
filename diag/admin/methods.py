"""Which methods a route answers.

What only reads answers HEAD as well as GET: probes and link checkers ask with it, and the server
leaves the body out. A profile, and a GET that changes state, are for GET alone: whoever sends HEAD
wants to know about a thing and not to have it done.
"""

#: For ``APIRouter.api_route``; ``APIRouter.get`` is GET alone.
READ = ["GET", "HEAD"]
