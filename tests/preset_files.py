"""The comments of the shipped presets, made from the declarations.

python -m tests.preset_files        # writes them
"""

from trainer.config import config_file, option_list


def preset_text(name: str) -> bytes:
    """A preset's file as it must be: its situation, then only what differs, each option explained."""
    return option_list.commented(config_file.preset_document(name), config_file.situation(name))


if __name__ == "__main__":
    for preset in config_file.presets():
        (config_file.PRESETS / f"{preset}.yaml").write_bytes(preset_text(preset))
