"""When the web client is built, and what is said where it cannot be."""

from pathlib import Path

import pytest

from arena import webbuild
from arena.addresses import lan_addresses, reachable_urls
from arena.values import SettingsError
from arena.webbuild import WebBuild, fingerprint


@pytest.fixture
def web(tmp_path: Path) -> Path:
    for name in ("package.json", "package-lock.json", "src/app.ts", "src/app.test.ts", "node_modules/x/y.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def _build(web: Path) -> WebBuild:
    build = WebBuild(web)
    (web / "dist").mkdir(exist_ok=True)
    (web / "dist" / "index.html").write_text("built")
    build.mark_built(fingerprint(web))
    build.mark_modules()
    return build


def test_what_was_built_from_these_sources_is_fresh(web: Path) -> None:
    assert not WebBuild(web).is_fresh()
    build = _build(web)
    assert build.is_fresh()
    (web / "src" / "app.test.ts").write_text("tests change nothing")
    (web / "node_modules" / "x" / "y.js").write_text("nor do packages of the same lock")
    assert build.is_fresh()


@pytest.mark.parametrize("change", ["src/app.ts", "src/new.css", "package-lock.json"])
def test_a_changed_source_makes_it_stale(web: Path, change: str) -> None:
    build = _build(web)
    (web / change).write_text("changed")
    assert not build.is_fresh()


def test_a_removed_result_makes_it_stale(web: Path) -> None:
    build = _build(web)
    (web / "dist" / "index.html").unlink()
    assert not build.is_fresh()
    assert not build.built


def test_packages_are_installed_only_when_the_lock_changed(web: Path) -> None:
    build = _build(web)
    assert [command[1] for _, command, _ in build.commands()] == ["run"]
    (web / "package-lock.json").write_text("changed")
    assert [command[1] for _, command, _ in build.commands()] == ["ci", "run"]


def _node(folder: Path, version: str) -> None:
    for name in ("node", "npm"):
        (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("version", "problem"),
    [("v20.19.0", None), ("v22.0.0", None), ("v20.18.9", "too old"), ("v18.20.0", "too old"), ("what", "too old")],
)
def test_the_machines_node_is_looked_at(
    version: str, problem: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _node(tmp_path, version)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = webbuild.node_problem()
    assert (told is None) == (problem is None)
    assert problem is None or problem in str(told)


def test_without_node_it_says_how_to_get_it(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match=r"node\.js is missing: install Node\.js 20.*--no-web"):
        WebBuild(web).check_node()


@pytest.mark.parametrize(
    ("host", "here", "elsewhere"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000", []),
        ("::1", "http://[::1]:8000", []),
        ("192.168.7.7", "http://192.168.7.7:8000", ["http://192.168.7.7:8000"]),
        ("play.local", "http://play.local:8000", []),
    ],
)
def test_urls_follow_the_host(host: str, here: str, elsewhere: list[str]) -> None:
    assert reachable_urls(host, 8000) == (here, elsewhere)


def test_listening_everywhere_gives_every_address_of_the_network() -> None:
    here, elsewhere = reachable_urls("0.0.0.0", 8000)
    assert here == "http://localhost:8000"
    assert elsewhere == [f"http://{address}:8000" for address in lan_addresses()]
    assert not any(address.startswith("127.") for address in lan_addresses())
