"""How much memory this process may still take: the machine's, or less in a container or a job.

Docker, Kubernetes and Slurm hold a process to its share by Linux' control groups, of which the
machine's free memory tells nothing; who takes more is killed, or slowed down.

References
----------
.. [1] https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
.. [2] https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path, PurePosixPath

import psutil

# By version of the control groups: limits, what is taken, and what of that are files that can go.
_V1 = ("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"
# Who takes more than "high" is slowed down until nearly nothing moves.
_V2 = ("memory.max", "memory.high"), "memory.current", "inactive_file"


def free_memory(root: Path = Path("/")) -> int:
    """Return how many bytes this process may still take without swapping or being killed.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are.
    """
    machine: int = psutil.virtual_memory().available
    return max(min([machine, *_left_of_addresses(), *_left_in_groups(root)]), 0)


def _left_of_addresses() -> Iterator[int]:
    """Yield what ``ulimit -v`` leaves, where there is such a limit."""
    try:
        import resource
    except ImportError:  # on Windows
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        yield limit - psutil.Process().memory_info().vms


def _left_in_groups(root: Path) -> Iterator[int]:
    """Yield what is left of each limit that holds for this process."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        (limits, *names), mounted = (_V1, "memory") if controllers else (_V2, "")
        base = root / "sys/fs/cgroup" / mounted
        group = PurePosixPath(path)
        # A group is held to the limits of those around it. In a container the base is the
        # container's own group, and the path may be that on the machine, which is not there.
        for around, limit in product((group, *group.parents), limits):
            with suppress(OSError, ValueError):  # not there, or "max"
                yield _left(base / str(around).lstrip("/"), limit, *names)


def _left(group: Path, limit: str, taken: str, files: str) -> int:
    told = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    used = int((group / taken).read_text()) - int(told.get(files, 0))
    return int((group / limit).read_text()) - used
