"""Who lives, as the kernel tells it: counted without any file of a run."""

from pathlib import Path

from trainer.run.runs import Run

TRAINERS = ("trainer.engine", "soak.stand_in")
SUPERVISORS = ("trainer.run.supervisor", "soak.stand_in_supervisor")


def _processes(run_folder: Path, modules: tuple[str, ...]) -> list[int]:
    """Pids of `python -m MODULE RUN_FOLDER ...`; the zombie of one has no command line any more."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if (
            str(run_folder) in words
            and any(module in words for module in modules)
            and "trainer.system.detach" not in words
        ):
            found.append(int(path.parent.name))
    return found


def trainers(run: Run) -> list[int]:
    return _processes(run.folder, TRAINERS)


def supervisors(run: Run) -> list[int]:
    return _processes(run.folder, SUPERVISORS)
