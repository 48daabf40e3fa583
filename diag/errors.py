"""Every error this service raises on purpose, in one tree.

    MetaError
    ├── ConfigError              the configuration cannot be used
    │   └── EtcdMissing          no etcd that a cluster could run on
    ├── InvalidRequest           the caller's request is wrong, and why
    │   └── MessageTooLarge
    ├── Unauthenticated          no token, or not one of ours
    ├── TooManyTries             wrong credentials came from there too often
    ├── Forbidden                a known caller who may not do this
    ├── NotFound
    ├── NotImplementedHere       a method or an encoding this service does not know
    ├── Conflict                 the request is fine, the moment is not
    │   └── ProfilerBusy         another profile holds the hooks
    ├── NotLeader
    ├── Unavailable              stopping, starting, or out of a resource
    │   ├── NoTurn           as much of this work as may be done at a time is being done
    │   ├── WatcherTooSlow
    │   ├── NotInTime            it goes on, but the caller's time is up
    │   ├── LogWatchCancelled    etcd ended one watch and said why
    │   ├── LogWatchClosed       the connection under a watch is gone
    │   └── EtcdFailed           the etcd process ended, or said something unforeseen
    ├── Compacted                that part of the log is only in snapshots now
    ├── StoreError               the data directory cannot be used
    │   ├── DirectoryInUse
    │   ├── OtherNode
    │   ├── NewerFormat
    │   ├── Damaged
    │   └── NoSpace
    └── ProfilerError            a profile could not be taken
        ├── ProfilerTooSlow      it was not read or drawn in the time for that
        ├── ProfilerMissing      its package is not installed
        └── ProfilerDenied       the system does not permit it

The HTTP status, the gRPC status name and the exit code of a command stand on
the class, so a handler translates an error without knowing which it is.
"""

from typing import ClassVar


class MetaError(Exception):
    """Base of the tree. ``str(error)`` is one sentence for the person who reads it."""

    http_status: ClassVar[int] = 500
    grpc_status: ClassVar[str] = "INTERNAL"
    exit_code: ClassVar[int] = 1


class ConfigError(MetaError):
    """A key, a value or a file of the configuration is wrong."""

    exit_code = 2


class EtcdMissing(ConfigError):
    """There is no etcd here, or only one whose faults would lose or fork a log."""


class InvalidRequest(MetaError):
    """The request names something outside its range or form."""

    http_status = 400
    grpc_status = "INVALID_ARGUMENT"
    exit_code = 2


class MessageTooLarge(InvalidRequest):
    """A key, value or message is beyond its limit."""

    http_status = 413
    grpc_status = "RESOURCE_EXHAUSTED"


class Unauthenticated(MetaError):
    """The token is missing or was not issued by this process."""

    http_status = 401
    grpc_status = "UNAUTHENTICATED"


class TooManyTries(MetaError):
    """Credentials from this address are not looked at for ``retry_after`` seconds."""

    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(MetaError):
    """The caller may not use this route from where it is."""

    http_status = 403
    grpc_status = "PERMISSION_DENIED"


class NotFound(MetaError):
    """What the request names does not exist."""

    http_status = 404
    grpc_status = "NOT_FOUND"


class NotImplementedHere(MetaError):
    """The request uses something this service does not know."""

    http_status = 501
    grpc_status = "UNIMPLEMENTED"


class Conflict(MetaError):
    """Something else is in the way for now."""

    http_status = 409
    grpc_status = "ABORTED"


class ProfilerBusy(Conflict):
    """Another profile holds the process-wide lock; ``retry_after`` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotLeader(MetaError):
    """This node does not order writes; ``leader`` is the leader's client endpoint, if known."""

    http_status = 404
    grpc_status = "UNAVAILABLE"

    def __init__(self, message: str, leader: str | None = None) -> None:
        super().__init__(message)
        self.leader = leader


class Unavailable(MetaError):
    """The node cannot serve this now."""

    http_status = 503
    grpc_status = "UNAVAILABLE"


class NoTurn(Unavailable):
    """Others have all the turns for such work; ``retry_after`` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class WatcherTooSlow(Unavailable):
    """A watcher fell behind its bounded queue and was let go."""


class NotInTime(Unavailable):
    """What the caller waits for goes on, and did not end within the time asked."""

    http_status = 504
    grpc_status = "DEADLINE_EXCEEDED"


class Compacted(MetaError):
    """The log begins later than asked: at ``revision``, which is 0 where etcd did not say."""

    http_status = 503
    grpc_status = "OUT_OF_RANGE"

    def __init__(self, message: str, revision: int) -> None:
        super().__init__(message)
        self.revision = revision


class LogWatchCancelled(Unavailable):
    """etcd ended the watch for a reason of its own; opening it again elsewhere may do."""


class LogWatchClosed(Unavailable):
    """The stream under the watch ended: the member stopped, was cut off, or lost its leader."""


class EtcdFailed(Unavailable):
    """etcd could not do its part; the message carries what it said."""


class StoreError(MetaError):
    """The data directory cannot be used as it is. Nothing in it was changed."""

    http_status = 500
    grpc_status = "UNAVAILABLE"


class DirectoryInUse(StoreError):
    """Another process has the data directory open."""


class OtherNode(StoreError):
    """The data directory belongs to a node of another id."""


class NewerFormat(StoreError):
    """The data directory was written by a newer version."""


class Damaged(StoreError):
    """A file of the data directory is not what it should be."""


class NoSpace(StoreError):
    """The disk, or the store's map on it, is full, or the directory is read-only."""

    http_status = 507
    grpc_status = "RESOURCE_EXHAUSTED"


class ProfilerError(MetaError):
    """The profiler ran and failed; the message carries what it said."""


class ProfilerTooSlow(ProfilerError):
    """The profile is there, but too large to be read or drawn in time; the message says what to ask for."""

    http_status = 504
    grpc_status = "DEADLINE_EXCEEDED"


class ProfilerMissing(ProfilerError):
    """A profiler's package is not installed for this platform."""

    http_status = 501
    grpc_status = "UNIMPLEMENTED"


class ProfilerDenied(ProfilerError):
    """The system refuses the profiler; the message names the remedy."""

    http_status = 503
    grpc_status = "FAILED_PRECONDITION"
