"""Live trainers and supervisors by their command lines, independent of the files of a run."""

from pathlib import Path

from trainer.run.runs import Run

TRAINERS = ("trainer.engine", "soak.stand_in")
SUPERVISORS = ("trainer.run.supervisor", "soak.stand_in_supervisor")


def _processes(run_folder: Path, modules: tuple[str, ...]) -> list[int]:
    """Pids of `python -m MODULE RUN_FOLDER ...`; zombies have no command line."""
    pids = []
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
            pids.append(int(path.parent.name))
    return pids


def trainers(run: Run) -> list[int]:
    return _processes(run.folder, TRAINERS)


def supervisors(run: Run) -> list[int]:
    return _processes(run.folder, SUPERVISORS)
