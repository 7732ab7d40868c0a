"""Memory and CPUs as a container leaves them, in trees of files as kernels lay them out and in real groups."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.estimates.test_estimates import LARGE, told
from tests.tiny import make_workspace, tiny_config
from trainer.config import config_file
from trainer.estimates import requirements
from trainer.run import preflight
from trainer.system import devices, limits, processes
from trainer.system.limits import Limits
from trainer.system.workspace import PROJECT_ROOT, Workspace

GB = 10**9
MACHINE = replace(LARGE, memory_free=GB)
V2 = "41 31 0:38 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1_NONE = 9223372036854771712
UNLIMITED_V1 = {"memory.limit_in_bytes": V1_NONE, "cpu.cfs_quota_us": -1, "cpu.cfs_period_us": 100000}


def v1(controllers: str, within: str = "/") -> str:
    return f"32 31 0:29 {within} /sys/fs/cgroup/{controllers} rw,relatime - cgroup cgroup rw,{controllers}"


def lay(root: Path, cgroup: str, mounts: list[str], groups: dict[str, dict[str, object]]) -> Path:
    """Write /proc/self and /sys/fs/cgroup below a root: what each file of a group holds."""
    itself = root / "proc/self"
    itself.mkdir(parents=True)
    (itself / "cgroup").write_text(cgroup)
    (itself / "mountinfo").write_text("\n".join(["31 23 0:28 / /sys rw - sysfs sysfs rw", *mounts]) + "\n")
    for group, files in groups.items():
        folder = root / "sys/fs/cgroup" / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(f"{text}\n")
    return root


def stat(**numbers: int) -> str:
    return "\n".join(f"{name} {number}" for name, number in numbers.items())


TREES = {
    "v2 in a namespace of its own, as docker run --memory 2g --cpus 1.5": (
        "0::/\n", [V2],
        {".": {"memory.max": 2 * GB, "memory.current": 1500, "memory.stat": stat(anon=9, inactive_file=500),
               "cpu.max": "150000 100000"}},
        Limits(2 * GB, 2 * GB - 1000, 1.5),
    ),
    "v2 nested: each limit is that of another ancestor": (
        "0::/user.slice/app.slice/run.scope\n", [V2],
        {"user.slice": {"memory.max": 4 * GB, "memory.current": 3 * GB, "cpu.max": "200000 100000"},
         "user.slice/app.slice": {"memory.max": "max", "cpu.max": "50000 100000"},
         "user.slice/app.slice/run.scope": {"memory.max": 3 * GB, "memory.current": GB, "cpu.max": "max 100000"}},
        Limits(3 * GB, GB, 0.5),
    ),
    "v2 without limits": (
        "0::/a\n", [V2],
        {"a": {"memory.max": "max", "memory.high": "max", "memory.current": 7, "cpu.max": "max 100000"}},
        Limits(),
    ),
    "v2 slowed down above memory.high": (
        "0::/a\n", [V2], {"a": {"memory.max": 3 * GB, "memory.high": 2 * GB, "memory.current": GB}},
        Limits(2 * GB, GB),
    ),
    "v2 full": ("0::/a\n", [V2], {"a": {"memory.max": GB, "memory.current": 2 * GB}}, Limits(GB, 0)),
    "v2 whose group lies outside what is mounted": (
        "0::/../sibling\n", [V2], {".": {"memory.max": GB, "memory.current": 0}}, Limits(GB, GB)
    ),
    "v1 as docker mounts it: the container's group is the root of the mount": (
        "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n",
        [v1("memory", "/docker/abc"), v1("cpu,cpuacct", "/docker/abc")],
        {"memory": {"memory.limit_in_bytes": GB, "memory.usage_in_bytes": 800,
                    "memory.stat": stat(total_inactive_file=300)},
         "cpu,cpuacct": {"cpu.cfs_quota_us": 300000, "cpu.cfs_period_us": 100000}},
        Limits(GB, GB - 500, 3.0),
    ),
    "v1 below an ancestor that is limited": (
        "4:memory:/jobs/one\n1:cpu:/jobs/one\n", [v1("cpu"), v1("memory")],
        {"memory/jobs": {"memory.limit_in_bytes": GB, "memory.usage_in_bytes": GB // 4},
         "memory/jobs/one": UNLIMITED_V1 | {"memory.usage_in_bytes": 7}, "memory": UNLIMITED_V1,
         "cpu/jobs": {"cpu.cfs_quota_us": 20000, "cpu.cfs_period_us": 10000}, "cpu/jobs/one": UNLIMITED_V1},
        Limits(GB, GB - GB // 4, 2.0),
    ),
    "v1 below a limit that cannot be seen": (
        "4:memory:/docker/abc\n", [v1("memory", "/docker/abc")],
        {"memory": {"memory.limit_in_bytes": V1_NONE, "memory.usage_in_bytes": 10,
                    "memory.stat": stat(hierarchical_memory_limit=GB, total_inactive_file=4)}},
        Limits(GB, GB - 6),
    ),
    "v1 without limits": (
        "4:memory:/a\n1:cpu:/a\n", [v1("memory"), v1("cpu")],
        {"memory/a": UNLIMITED_V1 | {"memory.stat": stat(hierarchical_memory_limit=V1_NONE)}, "cpu/a": UNLIMITED_V1},
        Limits(),
    ),
    "hybrid: memory by v1, the rest of the tree by v2": (
        "5:memory:/b\n0::/a\n",
        [v1("memory"), "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"],
        {"memory/b": {"memory.limit_in_bytes": GB, "memory.usage_in_bytes": 0},
         "unified/a": {"memory.max": 5, "memory.current": 0, "cpu.max": "100000 100000"}},
        Limits(GB, GB, 1.0),
    ),
    "a mount point with a space, a name with a colon": (
        "0::/a:b\n", [r"41 31 0:38 / /sys/fs/cgroup/my\040groups rw - cgroup2 none rw"],
        {"my groups/a:b": {"memory.max": GB, "memory.current": 1}}, Limits(GB, GB - 1),
    ),
    "garbage": (
        "::\nnonsense\n0::\n", [V2, "x", "1 2 3 - cgroup2", "- - -"],
        {".": {"memory.max": "lots", "memory.high": -1, "memory.current": "\0", "cpu.max": "fast 0",
               "memory.stat": "a\nb c d\ninactive_file x"}},
        Limits(),
    ),
    "half of a quota": ("0::/\n", [V2], {".": {"cpu.max": "50000", "memory.max": ""}}, Limits(cpus=0.5)),
    "a period of zero": ("0::/\n", [V2], {".": {"cpu.max": "50000 0"}}, Limits(cpus=0.5)),
    "no cgroups": ("", [], {}, Limits()),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_the_tightest_limit_on_the_way_up_counts(name: str, tmp_path):
    *tree, expected = TREES[name]
    assert limits.read(lay(tmp_path, *tree)) == expected


def test_a_system_without_proc_has_no_limits(tmp_path):
    assert limits.read(tmp_path) == Limits()


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch):
    """Have this process read other limits than its own."""

    def limit(**values: float) -> None:
        monkeypatch.setattr(limits, "read", lambda: Limits(**values))

    return limit


@pytest.mark.parametrize(("cpus", "cores"), [(0.2, 1), (1.0, 1), (1.5, 2), (2.0, 2), (2.1, 3), (99.0, 4), (None, 4)])
def test_a_quota_is_rounded_up_and_never_more_than_the_cores(cpus, cores, limited, monkeypatch):
    monkeypatch.setattr(limits, "_visible_cores", lambda: 4)
    limited(cpus=cpus)
    assert limits.cores() == cores and limits.threads() == (cores if cores < 4 else 0)


def test_what_trains_is_told_how_many_threads_to_take(limited, monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "_visible_cores", lambda: 64)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    limited(cpus=1.5)
    assert processes.environment_of_engine(Workspace(tmp_path))["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert processes.environment_of_engine(Workspace(tmp_path))["OMP_NUM_THREADS"] == "1"
    monkeypatch.delenv("OMP_NUM_THREADS")
    limited()
    assert "OMP_NUM_THREADS" not in processes.environment_of_engine(Workspace(tmp_path))


def test_free_memory_is_the_least_of_machine_and_container(limited):
    host = psutil.virtual_memory()
    limited(memory_total=10**8, memory_free=10**7)
    assert devices.memory() == devices.Memory(10**8, 10**7, True)
    limited(memory_total=10**8, memory_free=10 * host.total)
    assert devices.memory().free <= host.total
    limited(memory_total=10 * host.total, memory_free=10 * host.total)
    assert not devices.memory().limited and devices.memory().total == host.total


def test_what_a_container_is_too_small_for_is_told_with_its_limit(tmp_path):
    small = replace(MACHINE, memory_total=2 * GB, memory_limited=True)
    config = config_file.build({"model": {"name": "bc_resnet"}, "training": {"batch_size": 4096}})
    assert "this container (limited to 2.0 GB) has 1.0 GB free" in told(config, small)["training.batch_size"]
    refusal = preflight.shortages(Workspace(tmp_path), config, small)[0]
    assert "1.0 GB are free in this container (limited to 2.0 GB). By estimate, batch size " in refusal
    assert "1.0 GB are free on this machine. By" in preflight.shortages(Workspace(tmp_path), config, MACHINE)[0]


ASK = """
import json, sys
from pathlib import Path
from trainer.system import devices, limits
from trainer.estimates import requirements
from trainer.system.workspace import Workspace
here, reading = requirements.machine(Workspace(Path(sys.argv[1]))), devices.read()
print(json.dumps([here.cores, here.memory_total, here.memory_free, reading.memory_total, limits.threads()]))
"""


def asked(root: Path, before=None) -> list[int]:
    """What a new process tells of its machine: cores, memory, free memory, memory again, threads for libraries."""
    command = [sys.executable, "-c", ASK, root]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, preexec_fn=before, check=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity of processes")
def test_a_process_on_one_core_has_one(tmp_path):
    first = min(os.sched_getaffinity(0))
    cores, *_, threads = asked(tmp_path, lambda: os.sched_setaffinity(0, {first}))
    assert cores == 1 and threads == 0, "libraries see the affinity themselves"


@pytest.fixture
def container() -> Iterator[list[Path]]:
    """Groups of processes with 3 GB of memory and one CPU, of version 1 or 2: their folders."""
    name = f"wakeword-test-{os.getpid()}"
    kinds = [
        {f"memory/{name}": {"memory.limit_in_bytes": "3000000512"}, f"cpu/{name}": {"cpu.cfs_quota_us": "100000"}},
        {name: {"memory.max": "3000000512", "cpu.max": "50000 100000"}},
    ]
    for groups in kinds:
        made = []
        try:
            for group, files in groups.items():
                made.append(Path("/sys/fs/cgroup", group))
                made[-1].mkdir()
                for file, text in files.items():
                    (made[-1] / file).write_text(text)
        except OSError:
            for folder in made:
                if folder.is_dir():
                    folder.rmdir()
            continue
        yield made
        for folder in made:
            folder.rmdir()
        return
    pytest.skip("no control group with limits can be made here")


def test_a_real_group_limits_what_is_told_and_a_training(container, tmp_path):
    def enter() -> None:
        for folder in container:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    cores, total, free, read_total, threads = asked(tmp_path, enter)
    assert total == read_total == 3000000512 // os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < free < total and cores == 1 and threads == (0 if len(os.sched_getaffinity(0)) == 1 else 1)
    workspace = make_workspace(tmp_path)
    workspace.configs.mkdir()
    (workspace.configs / "tiny.yaml").write_bytes(config_file.dump(tiny_config(epochs=1, threads=0)))
    command = [sys.executable, "-m", "trainer", "--root", tmp_path, "train", "tiny", "--wait", "--json"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, preexec_fn=enter)
    assert done.returncode == 0, done.stderr
    progress = json.loads((workspace.runs / json.loads(done.stdout)["run"] / "progress.json").read_text())
    assert progress["device"] == "CPU, 1 thread" and progress["reading"]["memory_total"] == total
    assert requirements.machine(workspace).memory_total > total, "this process is in no such group"
