"""Always-on profiling as a node has it: made of its configuration, with its figures for the scrape."""

from diag.admin.load import readings_of
from diag.config.model import Profiling
from diag.metrics.lag import LoopLag
from diag.metrics.others import ProfilingFigures
from diag.metrics.registry import Metrics
from diag.profilers.always import AlwaysOn, Plan
from diag.profilers.keeper import Keeper
from diag.profilers.push import Pusher, Target
from diag.profilers.triggers import Thresholds, Triggers
from diag.profilers.turns import Turns
from diag.profilers.windows import Windows


class Always:
    """Both halves, started and ended together: what takes the windows, and what sends them on."""

    def __init__(
        self,
        config: Profiling,
        windows: Windows,
        turns: Turns,
        keeper: Keeper,
        metrics: Metrics,
        lag: LoopLag,
    ) -> None:
        rules = config.triggers
        target = _target(config)
        self._pusher = Pusher(target) if target else None
        self._sampling = AlwaysOn(
            Plan(
                seconds=config.continuous_window_seconds,
                frequency=config.continuous_frequency,
                detail_seconds=rules.seconds,
                detail_frequency=rules.frequency,
                triggered=rules.keep_count,
            ),
            windows,
            turns,
            keeper,
            triggers=Triggers(
                Thresholds(
                    loop_lag_ms=rules.loop_lag_ms,
                    p99_ms=rules.p99_ms,
                    rss_growth_bytes=rules.rss_growth_bytes,
                    cpu_percent=rules.cpu_percent,
                    cooldown=rules.cooldown_seconds,
                )
            ),
            read=readings_of(metrics, lag, rules.p99_ms),
            listen=self._pusher.offer if self._pusher else lambda _about, _capture: None,
        )

    async def start(self) -> None:
        if self._pusher is not None:
            self._pusher.start()
        await self._sampling.start()

    async def close(self) -> None:
        """End; the window that is being taken is kept, and what is not yet sent is given up."""
        await self._sampling.close()
        if self._pusher is not None:
            await self._pusher.close()

    def figures(self) -> ProfilingFigures:
        """What a scrape tells."""
        sampling, windows = self._sampling.counts, self._sampling.windows
        plain = {
            "windows": len(windows.all()),
            "window_bytes": windows.size,
            "windows_kept": sampling.kept,
            "windows_dropped": sampling.dropped,
            "pushes": 0,
            "pushes_failed": 0,
            "pushes_dropped": 0,
        }
        if self._pusher is not None:
            pushes = self._pusher.counts
            plain |= {
                "pushes": pushes.sent,
                "pushes_failed": pushes.failed,
                "pushes_dropped": pushes.dropped,
            }
        return ProfilingFigures(plain, sampling.fired)


def _target(config: Profiling) -> Target | None:
    if config.push_url is None:
        return None
    secret = config.push_authorization
    return Target(
        url=config.push_url,
        name=config.push_name,
        authorization=secret.get_secret_value() if secret else None,
        tenant=config.push_tenant,
    )
