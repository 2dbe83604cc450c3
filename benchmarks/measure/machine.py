"""What was measured on and with: no host names, no paths."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["describe"]

PACKAGES = ("relayd", "aiohttp", "uvloop", "msgspec", "aio-pika", "aiormq", "aiosqlite", "websockets", "PyJWT")
PLACES = "/usr/local/sbin:/usr/sbin:/sbin"

PROGRAMS = {
    "gcc": (["gcc", "--version"], r"(\d+\.\d+\.\d+)$"),
    "nginx": (["nginx", "-v"], r"nginx/(\S+)"),
    "nats-server": (["nats-server", "--version"], r"v([\d.]+)"),
}
DEBIAN = ("rabbitmq-server", "libnginx-mod-nchan", "nats-server", "nginx", "erlang-base")


def describe() -> dict[str, str]:
    """Return the machine and the versions of everything that takes part, in the order they are reported."""
    found = {
        "CPU": cpu_model(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "commit": commit(),
        "load average at the start": f"{os.getloadavg()[0]:.2f}",
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    for name, (argv, pattern) in PROGRAMS.items():
        match = re.search(pattern, printed(argv), re.MULTILINE)
        found[name] = match[1] if match else "missing"
    for name in DEBIAN:
        found[f"Debian {name}"] = printed(["dpkg-query", "--show", "--showformat=${Version}", name]) or "missing"
    return found


def cpu_model() -> str:
    """Return the name that the CPU gives itself."""
    match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match[1] if match else platform.machine()


def commit() -> str:
    """Return the commit of the working tree, marked when the tree differs from it where it matters."""
    short = printed(["git", "rev-parse", "--short=12", "HEAD"])
    changed = printed(["git", "status", "--porcelain", "--", "relayd", "benchmarks"])
    return (short or "unknown") + (" with changes" if changed else "")


def printed(argv: list[str]) -> str:
    """Return what a program prints, nothing if it is missing or fails."""
    program = shutil.which(argv[0]) or shutil.which(argv[0], path=PLACES)
    if program is None:
        return ""
    done = subprocess.run([program, *argv[1:]], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() if done.returncode == 0 else ""
