"""How large tiles are: hardly any work is done twice, as far as memory allows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src_models.engines import memory
from src_models.engines.free_memory import free_memory
from src_models.engines.memory import bytes_per_pixel, choose_tile_size
from src_models.models.config import RDNConfig, RRDNConfig
from src_models.models.registry import BUNDLED, describe_model
from src_models.upscaling import lazy

ENGINES = ["keras", "openvino", "onnxruntime"]
MICROSCOPY = RDNConfig(C=3, D=4, G=16, G0=32, x=2, c_dim=1, upscaling="shuffle")
SMALL = RDNConfig(C=2, D=2, G=8, G0=8, x=2, c_dim=1)
PSNR_SMALL = RDNConfig(C=3, D=10, G=64, G0=64, x=2)
LARGE = RDNConfig(C=6, D=20, G=64, G0=64, x=2)
GANS = RRDNConfig(C=4, D=3, G=32, G0=32, T=10, x=4)


@pytest.fixture
def with_memory(monkeypatch: pytest.MonkeyPatch):
    """Set the free memory in GiB: ``with_memory(16)``."""

    def set_it(gibibytes: float) -> None:
        monkeypatch.setattr(memory, "free_memory", lambda: int(gibibytes * 2**30))

    return set_it


@given(
    st.sampled_from([SMALL, LARGE, GANS]),
    st.integers(0, 300),
    st.one_of(st.integers(1, 64), st.just(10**6)),
    st.sampled_from(ENGINES),
)
def test_tiles_are_neither_tiny_nor_huge(
    config: RDNConfig | RRDNConfig, overlap: int, batch_size: int, engine: str
) -> None:
    size = choose_tile_size(config, overlap, batch_size, engine)
    assert 32 <= size <= max(512, 44 * overlap)


@pytest.mark.parametrize("name", [*sorted(BUNDLED), "psnr-small", "gans"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_overlap_costs_under_a_tenth_of_the_work(with_memory, name: str, engine: str) -> None:
    with_memory(24)
    description = describe_model(name)
    assert description.overlap is not None
    size = choose_tile_size(description.config, description.overlap, 1, engine)
    assert (1 + 2 * description.overlap / size) ** 2 < 1.1


@pytest.mark.parametrize("name", ["psnr-large", "noise-cancel"])
def test_it_costs_a_seventh_where_networks_are_huge(with_memory, name: str) -> None:
    with_memory(24)
    description = describe_model(name)
    assert description.overlap is not None
    size = choose_tile_size(description.config, description.overlap, 1, "openvino")
    assert (1 + 2 * description.overlap / size) ** 2 < 8 / 7


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_so_it_does_where_memory_is_bounded_because_the_image_is_lazy(name: str) -> None:
    description = describe_model(name)
    assert description.overlap is not None
    budget = lazy._TILE_BYTES
    size = choose_tile_size(description.config, description.overlap, 1, "openvino", budget)
    assert (1 + 2 * description.overlap / size) ** 2 < 1.1


@pytest.mark.parametrize("gibibytes", [1, 2, 8, 64])
@pytest.mark.parametrize("config", [SMALL, PSNR_SMALL, GANS])
def test_a_batch_with_its_overlap_fits_into_a_quarter_of_the_free_memory(
    with_memory, config: RDNConfig | RRDNConfig, gibibytes: float
) -> None:
    with_memory(gibibytes)
    for overlap, batch_size in ((0, 1), (16, 1), (16, 4)):
        side = choose_tile_size(config, overlap, batch_size) + 2 * overlap
        assert side**2 * bytes_per_pixel(config) * batch_size <= gibibytes * 2**28


# Peak resident memory above that of a batch of 32x32 pixels, by the pixels of one of 256x256 (of
# 384x384 for the small networks, of 1024x1024 for the largest), in bytes.
MEASURED = [
    (MICROSCOPY, {"openvino": 787, "onnxruntime": 1923, "keras": 1700}),
    (PSNR_SMALL, {"openvino": 2349, "onnxruntime": 7680, "keras": 6793}),
    (LARGE, {"openvino": 5338}),
    (GANS, {"openvino": 2450, "onnxruntime": 3331, "keras": 2979}),
    (
        RDNConfig(C=3, D=6, G=32, G0=32, x=4, c_dim=1, upscaling="shuffle"),
        {"openvino": 1097, "onnxruntime": 2432, "keras": 2519},
    ),
    (
        RRDNConfig(C=3, D=2, G=16, G0=48, T=3, x=2, c_dim=1),
        {"openvino": 1104, "onnxruntime": 2048, "keras": 1525},
    ),
]


@pytest.mark.parametrize(("config", "measured"), MEASURED)
def test_memory_is_estimated_as_it_was_measured(
    config: RDNConfig | RRDNConfig, measured: dict[str, int]
) -> None:
    for engine, seen in measured.items():
        assert 0.95 * seen < bytes_per_pixel(config, engine) < 2 * seen


def test_larger_networks_have_smaller_tiles(with_memory) -> None:
    with_memory(4)
    assert bytes_per_pixel(SMALL) < bytes_per_pixel(LARGE)
    assert choose_tile_size(SMALL, 16, 1) > choose_tile_size(LARGE, 16, 1)


def write_group(folder: Path, version: int, limit: str, taken: int, files: int) -> None:
    """Write what Linux tells of a control group."""
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    if version == 2:
        names = ("memory.max", "memory.current", "inactive_file")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{taken}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {files}\n")


MIB = 2**20


@pytest.mark.parametrize(
    ("version", "own", "there"),
    [
        (2, "0::/", ""),  # in a container
        (2, "0::/slurm/job_7/step_0", "slurm/job_7"),  # a job's limit holds for its steps
        (1, "4:cpu:/other\n3:memory,hugetlb:/slurm/job_7\n0::/", "memory/slurm/job_7"),
        (1, "3:memory:/docker/abc", "memory"),  # the path is the machine's
    ],
)
def test_a_container_or_job_has_what_its_limit_leaves(
    tmp_path: Path, version: int, own: str, there: str
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(own + "\n")
    machine = free_memory(tmp_path)
    assert machine > 200 * MIB
    group = tmp_path / "sys/fs/cgroup" / there
    write_group(group, version, str(300 * MIB), 250 * MIB, 50 * MIB)
    assert free_memory(tmp_path) == 100 * MIB
    write_group(group, version, str(300 * MIB), 350 * MIB, 10 * MIB)
    assert free_memory(tmp_path) == 0
    write_group(group, version, "max" if version == 2 else str(2**63 - 4096), 300 * MIB, 0)
    assert free_memory(tmp_path) == pytest.approx(machine, rel=0.2)


@pytest.mark.parametrize("most", ["max", str(400 * MIB)])
def test_a_limit_that_slows_down_counts_as_one_that_kills(tmp_path: Path, most: str) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/job\n")
    group = tmp_path / "sys/fs/cgroup/job"
    write_group(group, 2, most, 250 * MIB, 50 * MIB)
    (group / "memory.high").write_text(f"{300 * MIB}\n")
    assert free_memory(tmp_path) == 100 * MIB


def test_without_control_groups_the_machine_tells(tmp_path: Path) -> None:
    available = psutil.virtual_memory().available
    assert free_memory(tmp_path) == pytest.approx(available, rel=0.2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_limit_of_addresses_counts() -> None:
    code = """
import resource
from src_models.engines.free_memory import free_memory
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
print(free_memory())
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**30 < int(found.stdout) < 3 * 2**30
