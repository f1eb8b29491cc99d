"""A PostgreSQL cluster of its own in a temporary folder, reached by a socket there and gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

DEBIAN = Path("/usr/lib/postgresql")
OWNER = "brightfield"
_READY = "ready to accept connections"


def binaries() -> Path | None:
    """Return the folder of `initdb` and `postgres`: Debian's newest, or that on the path; None if none."""
    versions = {int(p.parts[-3]): p.parent for p in DEBIAN.glob("*/bin/initdb") if p.parts[-3].isdigit()}
    if versions:
        return versions[max(versions)]
    other = shutil.which("initdb")
    return None if other is None else Path(os.path.realpath(other)).parent


@contextmanager
def cluster(where: Path, *, flushed: bool = True) -> Iterator[str]:
    """Yield the URL of a running cluster's database.

    Args:
        where: The folder of the binaries.
        flushed: Whether commits are flushed to the disk, as in use; without it the server starts sooner.
    """
    with tempfile.TemporaryDirectory(prefix="brightfield-pg-") as name:
        folder = Path(name)
        as_user = _not_root(folder)
        made = [str(where / "initdb"), "-D", str(folder / "data"), "-U", OWNER, "--auth=trust", "--no-sync"]
        subprocess.run([*made, "-E", "UTF8"], check=True, capture_output=True, cwd=name, **as_user)
        options = ["-c", "listen_addresses=", "-c", f"fsync={'on' if flushed else 'off'}"]
        run = [str(where / "postgres"), "-D", str(folder / "data"), "-k", name, *options]
        server = subprocess.Popen(
            [*_dying_with_us(), *run], stderr=subprocess.PIPE, text=True, cwd=name, **as_user
        )
        with server:
            try:
                drained = _wait_until_ready(server)
                yield f"postgresql://{OWNER}@/postgres?host={name}"
            finally:
                server.send_signal(signal.SIGINT)
                server.wait()
            drained.join()


def new_database(url: str, name: str) -> str:
    """Make a database in a cluster and return its URL."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return url.replace("/postgres?", f"/{name}?")


def _not_root(folder: Path) -> dict[str, Any]:
    """Give the folder to a user under which the server may run, as it refuses root."""
    if os.getuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _dying_with_us() -> list[str]:
    """Return what has the server stop when this process is killed."""
    return ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []


def _wait_until_ready(server: subprocess.Popen[str]) -> threading.Thread:
    """Wait for the server, and return the thread that reads what else it says, lest it wait for a reader."""
    log = server.stderr
    said = []
    for line in log or ():
        said.append(line)
        if _READY in line:
            break
    else:
        raise RuntimeError(f"the server did not start:\n{''.join(said)}")
    draining = threading.Thread(target=_drain, args=(log,), daemon=True)
    draining.start()
    return draining


def _drain(log: IO[str]) -> None:
    for _ in log:
        pass
