"""A finding, and all of them as a report: JSON between programs, sentences for people."""

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

Severity = Literal["critical", "warning"]

#: The exit code of ``diag doctor``, by the worst finding.
EXIT_CODES: Final[dict[str, int]] = {"fine": 0, "warning": 1, "critical": 2}


class Finding(BaseModel):
    """One thing that is wrong. ``node`` is whose it is, None for the cluster's; ``next`` is a command."""

    model_config = ConfigDict(frozen=True)

    name: str
    severity: Severity
    node: int | None
    says: str
    evidence: tuple[str, ...] = ()
    next: str


class Report(BaseModel):
    """What was found: the worst first. The nodes that ``answered`` were looked at, or a ``directory``."""

    model_config = ConfigDict(frozen=True)

    findings: tuple[Finding, ...]
    answered: tuple[int, ...]
    silent: tuple[int, ...]
    checks: tuple[str, ...]
    directory: str | None = None

    @property
    def severity(self) -> Literal["fine", "warning", "critical"]:
        """Of the worst finding."""
        return self.findings[0].severity if self.findings else "fine"

    def as_dict(self) -> dict[str, object]:
        """Only JSON types."""
        return {"severity": self.severity, **self.model_dump(mode="json")}

    def text(self) -> str:
        """For people: a block a finding, and who was asked."""
        return "\n".join([*self._lines(), self.summary(), ""])

    def _lines(self) -> Iterator[str]:
        for found in self.findings:
            yield f"{found.severity.upper()} {found.name}: {found.says}"
            yield from (f"    {line}" for line in found.evidence)
            yield f"    next: {found.next}"
            yield ""

    def summary(self) -> str:
        """How many findings there are, and who was asked."""
        of_whom = self.directory or (_nodes(self.answered) if self.answered else None)
        looked = f"{len(self.checks)} checks of {of_whom}" if of_whom else "no node answered"
        silent = f"; no answer from {_nodes(self.silent)}" if self.silent else ""
        counts = [
            f"{count} {severity}"
            for severity in ("critical", "warning")
            if (count := sum(found.severity == severity for found in self.findings))
        ]
        return f"{', '.join(counts) or 'Nothing found'} ({looked}{silent})."


def report(
    findings: Iterator[Finding],
    answered: tuple[int, ...],
    silent: tuple[int, ...],
    checks: tuple[str, ...],
    directory: str | None = None,
) -> Report:
    """The findings in order: the worst first, and of the same severity as the rules gave them."""
    ordered = sorted(findings, key=lambda found: -EXIT_CODES[found.severity])
    return Report(
        findings=tuple(ordered), answered=answered, silent=silent, checks=checks, directory=directory
    )


def _nodes(ids: tuple[int, ...]) -> str:
    return f"node{'s' if len(ids) != 1 else ''} {', '.join(map(str, ids))}"
