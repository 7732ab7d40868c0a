"""The comments of the shipped presets and the option table of the README, made from the declarations.

python -m tests.preset_files        # writes them
"""

from trainer import config_file, option_text
from trainer.workspace import PROJECT_ROOT

START, END = "<!-- options -->", "<!-- end of options -->"


def preset_text(name: str) -> bytes:
    """A preset's file as it must be: its situation, then only what differs, each option explained."""
    return option_text.commented(config_file.preset_document(name), config_file.situation(name))


def with_table(readme: str) -> str:
    """The README with the current option table between its marks."""
    before, _, rest = readme.partition(START)
    return f"{before}{START}\n{option_text.table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    for preset in config_file.presets():
        (config_file.PRESETS / f"{preset}.yaml").write_bytes(preset_text(preset))
    page = PROJECT_ROOT / "README.md"
    page.write_text(with_table(page.read_text()))
