"""SPEC.md, the generated TypeScript and the vectors say what the declarations say, and lack nothing."""

import re
from pathlib import Path

import msgpack
import orjson
import pytest

from protocol import describe, golden, limits, specification, typescript
from protocol.codec import decode_client, decode_server
from protocol.errors import CLOSE_RULES, CloseCode, ErrorCode, ProtocolErrorCode
from protocol.registry import CLIENT_MESSAGES, SERVER_MESSAGES
from protocol.types import WireFormat

SPEC = specification.PATH.read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return the text of one chapter."""
    return SPEC.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(
    ("title", "kinds", "side"),
    [
        ("13. What a client sends", CLIENT_MESSAGES, "client"),
        ("14. What the server sends", SERVER_MESSAGES, "server"),
    ],
)
def test_every_message_has_a_heading_and_no_heading_lacks_a_message(
    title: str, kinds: dict[str, object], side: str
) -> None:
    chapter = section(title)
    assert re.findall(r"^### (.+)$", chapter, re.MULTILINE) == list(kinds)
    assert re.findall(rf"<!-- generated: {side}: (.+) -->", chapter) == list(kinds)
    for entry in chapter.split("\n### ")[1:]:
        told = entry.split("\n", 1)[1].split("<!-- generated", 1)[0].strip()
        assert told, f"nothing is said about {entry.splitlines()[0]}"


def test_every_view_is_described() -> None:
    assert set(re.findall(r"<!-- generated: view: (.+) -->", SPEC)) == set(specification.VIEWS)


def test_the_blocks_are_as_the_declarations_make_them() -> None:
    assert specification.generate(SPEC) == SPEC, "run python -m protocol.specification"
    assert specification.main(["--check"]) == 0


def test_a_stale_spec_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "SPEC.md"
    copy.write_text(SPEC.replace("text, 1 … 120 characters", "text"), encoding="utf-8")
    monkeypatch.setattr(specification, "PATH", copy)
    assert specification.main(["--check"]) == 1
    assert specification.main([]) == 0
    assert copy.read_text(encoding="utf-8") == SPEC


def test_the_examples_decode() -> None:
    for title, decode in (("13. What a client sends", decode_client), ("14. What the server sends", decode_server)):
        examples = re.findall(r"```json\n(.+)\n```\n\n```hex\n([0-9a-f]+)(…?.*)\n```", section(title))
        assert len(examples) == section(title).count("\n### ")
        for as_json, as_hex, cut in examples:
            message = decode(as_json.encode(), WireFormat.JSON)
            if not cut:
                assert decode(bytes.fromhex(as_hex)) == message


def test_the_session_shown_first_is_of_messages_that_exist() -> None:
    shown = re.findall(r"^([→←]) (\{.*\})(?:  .*)?$", section("1. A session from beginning to end"), re.MULTILINE)
    assert len(shown) > 10
    for arrow, text in shown:
        if "…" not in text:
            decode = decode_client if arrow == "→" else decode_server
            decode(msgpack.packb(orjson.loads(text)))


def test_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", SPEC, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", SPEC):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (specification.PATH.parent / target).exists(), target


def test_every_code_is_in_the_spec() -> None:
    for code in (*ErrorCode, *ProtocolErrorCode):
        assert f"`{code}`" in SPEC
    assert set(CLOSE_RULES) == set(CloseCode)
    for close in CloseCode:
        assert f"| {close.value} | {close.name} |" in SPEC


@pytest.mark.parametrize("kind", [ErrorCode, ProtocolErrorCode])
def test_every_code_says_what_it_means(kind: type[ErrorCode]) -> None:
    assert all(comment for _, _, comment in describe.members(kind))


def test_what_has_no_comment_says_nothing() -> None:
    assert describe.comment_of(CloseCode, "NORMAL") == ""
    assert describe.comment_of(CloseCode, "of another class") == ""


def test_no_declaration_refers_to_what_a_stranger_does_not_have() -> None:
    assert "DESIGN" not in SPEC
    assert "COMMIT.md" not in SPEC


def test_typescript_is_as_the_declarations_make_it() -> None:
    assert typescript.main(["--check"]) == 0, "run python -m protocol.typescript"


def test_stale_typescript_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "deep" / "generated.ts"
    monkeypatch.setattr(typescript, "PATH", copy)
    assert typescript.main(["--check"]) == 1
    assert typescript.main([]) == 0
    assert typescript.main(["--check"]) == 0
    copy.write_text("// by hand", encoding="utf-8")
    assert typescript.main(["--check"]) == 1


def test_typescript_has_every_message_and_limit() -> None:
    text = typescript.generate()
    for kind in (*CLIENT_MESSAGES.values(), *SERVER_MESSAGES.values()):
        assert f"export interface {kind.__name__} {{" in text
    for name in vars(limits):
        if name.isupper() and name != "TABLE":
            assert f"  {name}: " in text


def test_the_vectors_are_described() -> None:
    readme = (golden.FOLDER / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in golden.FOLDER.glob("*.json")}
    assert set(re.findall(r"^\| `(.+?\.json)` \|", readme, re.MULTILINE)) == files


def test_the_generator_of_vectors_only_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "FOLDER", tmp_path / "vectors")
    assert golden.main() == 0
    assert not any(golden.missing().values())
    path = golden.FOLDER / "room_codes.json"
    old = path.read_text(encoding="utf-8").replace('"shard_of_64": 6', '"shard_of_64": 99')
    path.write_text(old, encoding="utf-8")
    assert golden.main() == 0
    assert path.read_text(encoding="utf-8") == old
