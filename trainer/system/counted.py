"""A number of things in words: "1 run", "2,000 runs"."""


def counted(number: int, noun: str) -> str:
    """`number` with thousands apart, and the noun in its singular or plural (nouns that take an s)."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
