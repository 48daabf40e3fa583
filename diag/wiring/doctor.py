"""What the doctor is told of a node."""

from dataclasses import replace

from diag.doctor.cluster_course import etcd_memory, standing_of
from diag.doctor.course import Course, Standing
from diag.doctor.facts import Etcd
from diag.doctor.member import etcd_facts
from diag.doctor.self_report import Sources
from diag.replication.cluster import ClusterEngine
from diag.wiring.inside import Inside, clock_ms, version
from diag.wiring.settings import address_of


def course_of(cluster: ClusterEngine | None) -> Course:
    """How the node has been lately."""
    if cluster is None:
        return Course(Standing)
    return Course(
        lambda: standing_of(cluster.seen, cluster.member_state, cluster.log.handed_over),
        lambda: etcd_memory(cluster.member_state),
    )


def sources_of(inside: Inside, course: Course) -> Sources:
    """Where the facts are."""
    config, raft, life = inside.config, inside.config.raft_config, inside.life
    common = Sources(
        log=inside.engine.log,
        lag=inside.lag,
        watch=inside.watch,
        course=course,
        memory_followed=life.follows if life else lambda: False,
        version=version(),
        clock_ms=clock_ms,
        configured=address_of(config),
        tokens=inside.guard.tokens_fault,
        directories=(raft.raft_dir, config.file_log().dir),
        snapshot_every=raft.snapshot_logs_since_last,
    )
    cluster = inside.cluster
    if cluster is None:
        return common

    async def etcd(within: float) -> Etcd:
        quota = raft.etcd_quota_bytes
        return await etcd_facts(cluster.client, cluster.member_state, cluster.seen, quota, within)

    return replace(common, etcd=etcd, failed=lambda: _why_not_serving(cluster))


def _why_not_serving(cluster: ClusterEngine) -> str | None:
    failed = cluster.log.failed
    return cluster.removed() or (str(failed.result()) if failed.done() else None)
