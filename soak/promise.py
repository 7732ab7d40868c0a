"""The result of testing a promise."""

from dataclasses import dataclass, field


@dataclass
class Measurement:
    """How often a promise was tested, what broke it, and figures."""

    count: int = 0
    wrong: list[str] = field(default_factory=list)
    figures: str = ""

    def cells(self, what: str) -> str:
        """Three cells of a Markdown table: what was tested, what broke, figures."""
        broken = f"{len(self.wrong)}: {'; '.join(self.wrong[:5])}" if self.wrong else "0"
        return f"{self.count:,} {what} | {broken} | {self.figures}"
