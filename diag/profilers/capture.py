"""What a profiler hands back: stacks, and an honest account of how they were taken."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capture:
    """One finished profile.

    ``folded`` holds one line a distinct stack, ``f (file:line);g (file:line) N``, outermost frame first, with
    ``N`` in ``unit``; it is empty when nothing was seen, which is a result and not an error.
    ``engine`` and ``mode`` say what really ran, ``seconds`` how long it really took.
    ``rate_asked`` and ``rate_effective`` are in Hz, and None for a profile that does not sample.
    ``samples`` counts samples, allocation records or calls, by ``kind``; ``errors`` the samples that were
    lost. ``looks`` is how often a sampler of ours looked, where that is not how many samples it reports.
    ``pause_share`` estimates the share of the time during which the process stood stopped, where that is
    known.
    ``notes`` are sentences for whoever reads the picture. ``native_svg`` is flameprof's own picture, when
    asked for. ``labelled`` is ``folded`` with a root frame ``request: NAME`` wherever a request was served,
    from an engine that can tell.
    """

    folded: bytes
    kind: str
    unit: str
    engine: str
    mode: str
    seconds: float
    samples: int
    errors: int = 0
    rate_asked: float | None = None
    rate_effective: float | None = None
    pause_share: float | None = None
    looks: int | None = None
    notes: tuple[str, ...] = ()
    native_svg: str | None = None
    labelled: bytes | None = None

    def metadata(self) -> dict[str, str]:
        """What goes along with the stacks into formats that hold more; times are of one thread's CPU."""
        told = {"engine": self.engine, "mode": self.mode, "seconds": f"{self.seconds:g}"}
        if self.unit == "samples" and self.rate_effective:
            told["period_ns"] = str(round(1e9 / self.rate_effective))
            told["period_type"] = "wall" if self.mode.startswith("wall") else "cpu"
        return told
