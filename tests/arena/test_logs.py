"""Logs: JSON lines that never hold secrets; metrics that may be asked for twice."""

import json
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arena import logs, metrics
from arena.keys import make_keys
from arena.tokens import sign_access


@pytest.fixture(autouse=True)
def _plain() -> None:
    logs.configure("info", process="test", pretty=False)


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    told = capsys.readouterr()
    assert told.out == ""
    read = json.loads(told.err)
    assert isinstance(read, dict)
    return read


def test_a_line_has_its_event_its_fields_and_its_process(capsys: pytest.CaptureFixture[str]) -> None:
    logs.get("shards").info("room_adopted", room="BCDFGH", epoch=7)
    told = line(capsys)
    assert {name: told[name] for name in ("event", "room", "epoch", "component", "level", "process")} == {
        "event": "room_adopted",
        "room": "BCDFGH",
        "epoch": 7,
        "component": "shards",
        "level": "info",
        "process": "test",
    }
    assert str(told["timestamp"]).endswith("Z")


TOKEN = sign_access(make_keys(), user="u", session="s", name="n", kind="guest")


@pytest.mark.parametrize(
    "fields",
    [
        {"token": "hunter2"},
        {"password": "hunter2"},
        {"answer": "hunter2"},
        {"said": f"Bearer {TOKEN}"},
        {"url": f"/ws/game/BCDFGH?token={TOKEN}&x=1"},
        {"url": "/ws/game/BCDFGH?token=hunter2"},
        {"url": "redis://:hunter2@h:6379/0"},
        {"url": "postgresql://u:hunter2@/arena?host=/run"},
    ],
)
def test_secrets_are_blotted_out(fields: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    logs.get("x").info("something", **fields)
    text = capsys.readouterr().err
    assert "hunter2" not in text
    assert TOKEN not in text
    assert "[not logged]" in text


def test_a_fault_is_told_with_its_trace_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError("of ours")
    except RuntimeError:
        logs.get("x").exception("fault")
    told = line(capsys)
    assert "RuntimeError: of ours" in str(told["exception"])


def test_what_libraries_log_comes_into_our_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("uvicorn.error").warning("it took %d ms", 7)
    told = line(capsys)
    assert (told["event"], told["message"], told["component"]) == ("library_said", "it took 7 ms", "uvicorn.error")


def test_a_library_that_formats_wrongly_does_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("x", logging.WARNING, __file__, 1, "%d", ("seven",), None)
    ours = next(handler for handler in logging.getLogger().handlers if type(handler).__module__ == "arena.logs")
    ours.handle(record)
    assert line(capsys)["message"] == "%d"


def test_levels_below_the_one_set_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning", pretty=False)
    logs.get("x").info("quiet")
    logs.get("x").warning("loud")
    assert line(capsys)["event"] == "loud"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.none(), st.lists(st.text())),
    )
)
def test_anything_may_be_a_field_and_a_line_stays_a_line(
    capsys: pytest.CaptureFixture[str], fields: dict[str, object]
) -> None:
    logs.get("x").info("anything", **fields)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_metric_asked_for_twice_is_the_same_and_shows() -> None:
    first = metrics.counter("arena_test_things_total", "Things.", labels=("kind",))
    assert metrics.counter("arena_test_things_total", "Things.", labels=("kind",)) is first
    first.labels("x").inc(3)
    metrics.histogram("arena_test_seconds", "Time.").observe(0.2)
    metrics.gauge("arena_test_now", "Now.").set(1)
    text = metrics.exposition().decode()
    assert 'arena_test_things_total{kind="x"} 3.0' in text
    assert 'arena_test_seconds_bucket{le="0.25"} 1.0' in text
    assert "process_cpu_seconds_total" in text


def test_a_metric_keeps_its_kind_and_our_names() -> None:
    metrics.counter("arena_test_kind_total", "Things.")
    with pytest.raises(AssertionError, match="is a Counter"):
        metrics.gauge("arena_test_kind_total", "Things.")
    with pytest.raises(AssertionError, match="arena_"):
        metrics.counter("other_total", "Things.")
