"""Bad input from the environment: every wrong value is refused in one line that names the variable."""

import contextlib
import ipaddress
import string
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.settings import VARIABLES, Settings, SettingsError, unknown_variables
from arena.values import without_password
from tests.support.services import public_data

GOOD_SECRET = "q7Zr-2mXw9_KfT5yBv8LcN3hJp6DsE1g"
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----"

GOOD: list[tuple[str, str, str, Any]] = [
    ("DATABASE_URL", "postgresql://u:p@h:5432/arena", "database_url", "postgresql://u:p@h:5432/arena"),
    ("DATABASE_URL", "postgres:///arena?host=/run/pg", "database_url", "postgres:///arena?host=/run/pg"),
    ("REDIS_URL", "redis://:p@h:6380/1", "redis_url", "redis://:p@h:6380/1"),
    ("REDIS_CACHE_URL", "rediss://:p@h:6380/1", "redis_cache_url", "rediss://:p@h:6380/1"),
    ("REDIS_URL", "unix://:p@/run/s.sock?db=0", "redis_url", "unix://:p@/run/s.sock?db=0"),
    ("REDIS_URL", "sentinel://:p@a:1,[::1],c/games?db=2", "redis_url", "sentinel://:p@a:1,[::1],c/games?db=2"),
    ("REDIS_CACHE_URL", "sentinel://a,b/games", "redis_cache_url", "sentinel://a,b/games"),
    ("ARENA_COMMIT_REPLICAS", "1", "commit_replicas", 1),
    ("ARENA_DATA", "~/arena", "data", Path("~/arena").expanduser()),
    ("ARENA_HOST", "127.0.0.1", "host", "127.0.0.1"),
    ("ARENA_HOST", "::", "host", "::"),
    ("ARENA_HOST", "play.example.org", "host", "play.example.org"),
    ("ARENA_PORT", "65535", "port", 65_535),
    ("ARENA_NODE_LISTEN", "[::1]:8101", "node_listen", ("::1", 8101)),
    ("ARENA_NODE_LISTEN", "node-a:0", "node_listen", ("node-a", 0)),
    (
        "ARENA_TRUSTED_PROXIES",
        "10.0.0.0/8, ::1",
        "trusted_proxies",
        (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")),
    ),
    ("ARENA_DOOR_SECRET", GOOD_SECRET, "door_secret", GOOD_SECRET),
    ("ARENA_ORIGINS", "https://A.example,http://b:81", "origins", ("https://a.example", "http://b:81")),
    ("ARENA_HOSTS", "Play.example.org, b:81", "hosts", ("play.example.org", "b:81")),
    ("ARENA_ALLOW_JWT_IN_URL", "1", "allow_jwt_in_url", True),
    ("ARENA_UNSAFE_REDIS", "0", "unsafe_redis", False),
    ("ARENA_LOG", "DEBUG", "log", "debug"),
    ("ARENA_JWT_PRIVATE", PEM.replace("\n", "\\n"), "jwt_private", PEM),
    ("ARENA_SOCKETS", "50000", "sockets", 50_000),
    ("ARENA_SOCKETS", "", "sockets", 20_000),
    ("ARENA_SOCKETS_PER_ADDRESS", "1", "sockets_per_address", 1),
    ("ARENA_SOCKETS_PER_ADDRESS", "", "sockets_per_address", 2_000),
    ("ARENA_PORT", "  9000 ", "port", 9000),
    ("ARENA_PORT", "", "port", 8000),
]

BAD: list[tuple[str, str]] = [
    ("DATABASE_URL", "mysql://h/arena"),
    ("DATABASE_URL", "postgresql://h"),
    ("DATABASE_URL", "postgresql://h:port/arena"),
    ("DATABASE_URL", "postgresql://[::1/arena"),
    ("REDIS_URL", "h:6379"),
    ("REDIS_URL", "rediss://h:6379"),
    ("REDIS_URL", "redis://"),
    ("REDIS_URL", "unix://"),
    ("REDIS_URL", "sentinel://a,b"),
    ("REDIS_URL", "sentinel://a,,b/games"),
    ("REDIS_URL", "sentinel://a:x/games"),
    ("REDIS_URL", "sentinel://a/games?db=one"),
    ("REDIS_URL", "sentinel://a/games?database=1"),
    ("REDIS_URL", "cluster://"),
    ("REDIS_URL", "cluster://a:6379/3"),
    ("REDIS_URL", "cluster://" + ",".join("a" * 33)),
    ("REDIS_CACHE_URL", "memcached://h"),
    ("REDIS_CACHE_URL", "cluster://a"),
    ("ARENA_COMMIT_REPLICAS", "6"),
    ("ARENA_COMMIT_REPLICAS", "-1"),
    ("ARENA_DATA", "a\0b"),
    ("ARENA_HOST", "two words"),
    ("ARENA_HOST", "1.2.3"),
    ("ARENA_HOST", "-x"),
    ("ARENA_PORT", "0"),
    ("ARENA_PORT", "65536"),
    ("ARENA_PORT", "tcp://10.0.0.1:8000"),
    ("ARENA_PORT", "8_000"),
    ("ARENA_PORT", "+80"),
    ("ARENA_PORT", "８０８０"),
    ("ARENA_PORT", "9" * 5000),
    ("ARENA_NODE_NAME", "a b"),
    ("ARENA_NODE_NAME", "x" * 65),
    ("ARENA_NODE_LISTEN", "8101"),
    ("ARENA_NODE_LISTEN", "h:99999"),
    ("ARENA_NODE_LISTEN", ":8101"),
    ("ARENA_SHARDS", "0"),
    ("ARENA_LEASE_MS", "99"),
    ("ARENA_TICK_HZ", "1000"),
    ("ARENA_RENEW_MS", "19"),
    ("ARENA_BEAT_MS", "-1"),
    ("ARENA_CLAIM_MS", "0.5"),
    ("ARENA_FOUND_GRACE_MS", "soon"),
    ("ARENA_SOCKETS", "0"),
    ("ARENA_SOCKETS", "1000001"),
    ("ARENA_SOCKETS", "many"),
    ("ARENA_SOCKETS_PER_ADDRESS", "-5"),
    ("ARENA_SOCKETS_PER_ADDRESS", "1e3"),
    ("ARENA_FAULT", "a fault"),
    ("ARENA_TRUSTED_PROXIES", "10.0.0.1/8"),
    ("ARENA_TRUSTED_PROXIES", "everybody"),
    ("ARENA_DOOR_SECRET", "short"),
    ("ARENA_DOOR_SECRET", "é" * 40),
    ("ARENA_DOOR_SECRET", "a" * 64),
    ("ARENA_ORIGINS", "play.example.org"),
    ("ARENA_ORIGINS", "https://play.example.org/path"),
    ("ARENA_ORIGINS", ",".join(f"https://h{n}" for n in range(65))),
    ("ARENA_HOSTS", "http://h"),
    ("ARENA_ALLOW_JWT_IN_URL", "yes"),
    ("ARENA_UNSAFE_REDIS", "2"),
    ("ARENA_LOG", "loud"),
    ("ARENA_JWT_PRIVATE", "secret"),
    ("ARENA_JWT_PUBLIC", PEM),
]


@pytest.mark.parametrize(("name", "text", "field", "value"), GOOD)
def test_good_values_are_read(name: str, text: str, field: str, value: object) -> None:
    assert getattr(Settings.from_env({name: text}), field) == value


@pytest.mark.parametrize(("name", "text"), BAD, ids=[f"{name}={text[:30]!r}" for name, text in BAD])
def test_bad_values_are_refused_by_name_in_one_line(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({name: text})
    line = str(refused.value)
    assert line.startswith(name + " ")
    assert "\n" not in line
    assert len(line) < 300


def test_every_variable_has_a_bad_value_here() -> None:
    assert {name for name, _ in BAD} == {variable.name for variable in VARIABLES.values()}


@given(st.sampled_from(sorted(variable.name for variable in VARIABLES.values())), st.text(max_size=60))
def test_no_text_does_anything_but_be_read_or_refused(name: str, text: str) -> None:
    with contextlib.suppress(SettingsError):
        Settings.from_env({name: text})


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"ARENA_LEASE_MS": "1000"}, "ARENA_RENEW_MS"),
        ({"ARENA_RENEW_MS": "667"}, "ARENA_RENEW_MS"),
        ({"ARENA_BEAT_MS": "501"}, "ARENA_BEAT_MS"),
        ({"ARENA_CLAIM_MS": "2001"}, "ARENA_CLAIM_MS"),
        ({"ARENA_FOUND_GRACE_MS": "1999"}, "ARENA_FOUND_GRACE_MS"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(environment: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be"):
        Settings.from_env(environment)


def test_the_founding_grace_follows_the_lease() -> None:
    short = {"ARENA_LEASE_MS": "300", "ARENA_RENEW_MS": "100", "ARENA_BEAT_MS": "75"}
    assert Settings.from_env(short).found_grace_ms == 3_000
    assert Settings.from_env({"ARENA_LEASE_MS": "5000"}).found_grace_ms == 10_000
    assert Settings.from_env({**short, "ARENA_FOUND_GRACE_MS": "300"}).found_grace_ms == 300


def test_the_cache_is_the_redis_of_the_shards_unless_told() -> None:
    assert Settings.from_env({"REDIS_URL": "redis://a"}).redis_cache_url == "redis://a"
    with pytest.raises(SettingsError, match=r"^REDIS_CACHE_URL is not set, and REDIS_URL is a cluster"):
        Settings.from_env({"REDIS_URL": "cluster://a"})
    assert Settings.from_env({"REDIS_URL": "cluster://a", "REDIS_CACHE_URL": "redis://b"}).redis_url == "cluster://a"
    both = Settings.from_env({"REDIS_URL": "redis://a", "REDIS_CACHE_URL": "redis://b"})
    assert both.redis_cache_url == "redis://b"


def test_every_setting_has_one_variable_and_the_defaults_keep_the_rules() -> None:
    assert set(VARIABLES) == set(Settings.__struct_fields__)
    assert len({variable.name for variable in VARIABLES.values()}) == len(VARIABLES)
    defaults = Settings.from_env({})
    assert defaults == Settings()
    assert msgspec.structs.replace(defaults, data=defaults.data) == defaults


def test_a_missing_store_is_asked_for_by_name() -> None:
    settings = Settings.from_env({})
    with pytest.raises(SettingsError, match=r"^DATABASE_URL is not set.*arena up"):
        settings.require_database()
    with pytest.raises(SettingsError, match=r"^REDIS_URL is not set.*arena up"):
        settings.require_redis()


def test_misspelt_variables_are_pointed_out() -> None:
    assert unknown_variables({"ARENA_LEASEMS": "1", "PATH": "/bin", "ARENA_PORT": "1"}) == [
        "ARENA_LEASEMS is not a setting: did you mean ARENA_LEASE_MS?"
    ]


def test_publicly_known_secrets_are_refused() -> None:
    """Each of the 103,979 in the list, whatever its length; a random one is not."""
    file = public_data("security", "jwt", "wallarm.jwt.secrets.list")
    read = VARIABLES["door_secret"].read
    accepted = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            read(line.strip())
        except ValueError:
            continue
        accepted.append(line)
    assert accepted == []


@given(st.text(string.ascii_letters + string.digits + "-_", min_size=43, max_size=43).filter(lambda t: len(set(t)) > 8))
def test_random_secrets_are_taken(text: str) -> None:
    assert VARIABLES["door_secret"].read(text) == text


def test_secrets_are_never_repeated_in_a_refusal() -> None:
    for name, text in (("ARENA_DOOR_SECRET", "hunter2"), ("ARENA_JWT_PRIVATE", "hunter2")):
        with pytest.raises(SettingsError) as refused:
            Settings.from_env({name: text})
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:5432/arena?sslmode=x", "postgresql://h:5432/arena"),
        ("unix://:p@/run/s.sock?password=q", "unix:///run/s.sock"),
        ("postgresql://[::1/arena", "(not a URL)"),
    ],
)
def test_urls_are_shown_without_passwords(url: str, shown: str) -> None:
    assert without_password(url) == shown
