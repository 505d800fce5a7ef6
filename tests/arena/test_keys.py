"""Keys: made once, ours alone, or the operator's; anything else is refused."""

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from arena.keys import make_keys, signing_keys, verify_keys
from arena.settings import Settings, SettingsError
from arena.tokens import sign_access, verify_access


def at(data: Path, **more: str) -> Settings:
    return msgspec.structs.replace(Settings(), data=data, **more)


def pem_of(pair: object) -> tuple[str, str]:
    private = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]  # a private key
    public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # as above
    return private.decode(), public.decode()


def test_they_are_made_once_and_are_ours_alone(tmp_path: Path) -> None:
    first = signing_keys(at(tmp_path))
    assert signing_keys(at(tmp_path)).name == first.name
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "private.pem").stat().st_mode & 0o777 == 0o600
    token = sign_access(first, user="u", session="s", name="n", kind="guest")
    assert verify_access(verify_keys(at(tmp_path)), token).sub == "u"


def test_a_node_never_makes_keys(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ARENA_JWT_PUBLIC.*ARENA_DATA"):
        verify_keys(at(tmp_path))
    assert not (tmp_path / "keys").exists()


def test_keys_from_the_environment_need_no_folder(tmp_path: Path) -> None:
    private, public = pem_of(make_keys().private)
    old_public = pem_of(make_keys().private)[1]
    nowhere = tmp_path / "file" / "data"
    (tmp_path / "file").write_text("")
    signing = signing_keys(at(nowhere, jwt_private=private, jwt_public=public + old_public))
    assert len(signing.public) == 2
    token = sign_access(signing, user="u", session="s", name="n", kind="guest")
    assert verify_access(verify_keys(at(nowhere, jwt_public=public)), token).sub == "u"
    assert verify_access(verify_keys(at(nowhere, jwt_private=private)), token).sub == "u"


def test_other_keys_are_refused(tmp_path: Path) -> None:
    private, public = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    broken_public = broken.replace("PRIVATE", "PUBLIC")
    for text in (private, broken):
        with pytest.raises(SettingsError, match=r"^ARENA_JWT_PRIVATE is not an Ed25519 private key"):
            signing_keys(at(tmp_path, jwt_private=text))
    for text in (public, broken_public):
        with pytest.raises(SettingsError, match=r"^ARENA_JWT_PUBLIC holds something"):
            verify_keys(at(tmp_path, jwt_public=text))


def test_spoilt_files_and_folders_are_told(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "private.pem").write_text("nonsense")
    (tmp_path / "keys" / "public.pem").write_text("nonsense")
    with pytest.raises(SettingsError, match=r"private\.pem is not an Ed25519"):
        signing_keys(at(tmp_path))
    with pytest.raises(SettingsError, match=r"public\.pem holds no public key"):
        verify_keys(at(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="make that folder writable"):
        signing_keys(at(tmp_path / "file"))
