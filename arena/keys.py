"""The Ed25519 keys that sign and verify tokens: from the environment, else kept below the data folder.

httpapi holds the private key; nodes only need the public ones. Every public key given verifies, so a new key can be
handed out before the old one is taken away. A key is named (``kid``) by the start of its SHA-256.
"""

import hashlib
import os
import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from msgspec import Struct

from arena.settings import Settings, SettingsError

_PRIVATE_FILE = "private.pem"
_PUBLIC_FILE = "public.pem"
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class VerifyKeys(Struct, frozen=True):
    """Public keys by name: enough to verify."""

    public: dict[str, Ed25519PublicKey]


class SigningKeys(VerifyKeys, frozen=True):
    """The private key besides: enough to sign."""

    private: Ed25519PrivateKey
    name: str


def key_name(public: Ed25519PublicKey) -> str:
    """Return the key's name: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def make_keys() -> SigningKeys:
    """Return a new pair."""
    return _pair(Ed25519PrivateKey.generate(), [])


def _pair(private: Ed25519PrivateKey, others: list[Ed25519PublicKey]) -> SigningKeys:
    own = private.public_key()
    return SigningKeys({key_name(key): key for key in (own, *others)}, private, key_name(own))


def signing_keys(settings: Settings) -> SigningKeys:
    """Return the pair that signs: from the environment, else from ``data/keys``, made there at the first call.

    Raises:
        SettingsError: a key is not Ed25519, or the folder cannot be read or written.
    """
    others = _read_public("ARENA_JWT_PUBLIC", settings.jwt_public)
    if settings.jwt_private:
        return _pair(_read_private("ARENA_JWT_PRIVATE", settings.jwt_private), others)
    folder = settings.data / "keys"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        file = folder / _PRIVATE_FILE
        if not file.exists():
            _write_pair(folder, Ed25519PrivateKey.generate())
        return _pair(_read_private(str(file), file.read_text(encoding="utf-8")), others)
    except OSError as error:
        raise SettingsError(
            f"The keys in {folder} cannot be used ({error.strerror}): make that folder writable, "
            "or set ARENA_JWT_PRIVATE and ARENA_JWT_PUBLIC."
        ) from None


def verify_keys(settings: Settings) -> VerifyKeys:
    """Return the keys that verify. Nothing is made: a node never signs.

    Raises:
        SettingsError: there is none, or one is not Ed25519.
    """
    if settings.jwt_public:
        return VerifyKeys({key_name(key): key for key in _read_public("ARENA_JWT_PUBLIC", settings.jwt_public)})
    if settings.jwt_private:
        return VerifyKeys(signing_keys(settings).public)
    file = settings.data / "keys" / _PUBLIC_FILE
    try:
        keys = _read_public(str(file), file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"The public key {file} cannot be read ({error.strerror}): set ARENA_JWT_PUBLIC, "
            "or ARENA_DATA to the folder of the httpapi that signs."
        ) from None
    return VerifyKeys({key_name(key): key for key in keys})


def _write_pair(folder: Path, private: Ed25519PrivateKey) -> None:
    """Write both files so that a half-written one is never seen; the private one is ours alone."""
    texts = (
        (_PUBLIC_FILE, 0o644, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
        (_PRIVATE_FILE, 0o600, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
    )
    for name, mode, text in texts:
        partial = folder / f".{name}.{os.getpid()}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        partial.rename(folder / name)


def _read_private(source: str, text: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(
            f"{source} is not an Ed25519 private key in PEM: make one with openssl genpkey -algorithm ed25519."
        )
    return key


def _read_public(source: str, text: str) -> list[Ed25519PublicKey]:
    keys = []
    for found in _PEM.findall(text):
        try:
            key = load_pem_public_key(found.encode())
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise SettingsError(f"{source} holds something that is not an Ed25519 public key in PEM.")
        keys.append(key)
    if text and not keys:
        raise SettingsError(f"{source} holds no public key in PEM.")
    return keys
