"""Where embedded servers keep data and sockets."""

import hashlib
import os
import secrets
import tempfile
from pathlib import Path

from arena.embedded.errors import EmbeddedError

SOCKET_PATH_BYTES_MAX = 100  # a unix socket's path has at most 107 bytes; PostgreSQL adds ".lock"


def make_folder(folder: Path, mode: int = 0o700, owner: tuple[int, int] | None = None) -> Path:
    """Create the folder (and those above it) with exactly this mode and, when given, this owner (uid, gid).

    Raises:
        EmbeddedError: it cannot be created or changed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        if owner is not None:
            os.chown(folder, *owner)
    except OSError as error:
        raise EmbeddedError(f"The folder {folder} cannot be used: {error.strerror}.") from error
    return folder


def runtime_folder(home: Path, longest_name: str) -> Path:
    """Return a folder for sockets: ``home/run``, or a short one in the temporary folder when ``home`` is deep.

    ``longest_name`` is the longest path below it. The short folder is ours alone (0700, or 0711 for root, whose
    servers run as another user); one that somebody else made is never used.

    Raises:
        EmbeddedError: no folder can be made.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    near = home.resolve() / "run"
    if len(os.fsencode(near / longest_name)) <= SOCKET_PATH_BYTES_MAX:
        return make_folder(near, mode)
    mark = hashlib.sha256(os.fsencode(near)).hexdigest()[:10]
    short = Path(tempfile.gettempdir()) / f"arena-{os.geteuid()}-{mark}"
    if len(os.fsencode(short / longest_name)) > SOCKET_PATH_BYTES_MAX:
        short = Path("/tmp") / short.name  # noqa: S108 - checked for its owner below
    try:
        short.mkdir(mode=mode, exist_ok=True)
        if short.is_symlink() or short.stat().st_uid != os.geteuid():
            raise EmbeddedError(f"{short} belongs to another user: remove it, or use a shorter data folder (--data).")
        short.chmod(mode)
    except OSError as error:
        raise EmbeddedError(f"The folder {short} cannot be used: {error.strerror}.") from error
    return short


def kept_secret(file: Path) -> str:
    """Return the secret in ``file`` (256 bits, URL-safe), made at the first call; readable only by us."""
    try:
        if not file.exists():
            partial = file.with_name(f"{file.name}.{os.getpid()}")
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(secrets.token_urlsafe(32))
            partial.rename(file)
        return file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise EmbeddedError(f"The secret in {file} cannot be kept: {error.strerror}.") from error
