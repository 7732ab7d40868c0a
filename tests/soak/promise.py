"""What a measurement of a promise comes to."""

from dataclasses import dataclass, field


@dataclass
class Found:
    """How often a promise was put to the test, what broke it, and figures worth telling."""

    count: int = 0
    wrong: list[str] = field(default_factory=list)
    figures: str = ""

    def text(self, what: str) -> str:
        broken = f"{len(self.wrong)} broken: {'; '.join(self.wrong[:5])}" if self.wrong else "0 broken"
        return f"{self.count:,} {what}, {broken}{self.figures and f'; {self.figures}'}"
