"""How each kind of trouble is made."""

from typing import TYPE_CHECKING

from tests.sim.loop import State
from tests.sim.node import SimNode
from tests.sim.peers import tell_death
from tests.sim.plan import Fault
from tests.sim.store import Weather
from tests.sim.wire import Road

if TYPE_CHECKING:
    from tests.sim.people import Person
    from tests.sim.run import Simulation


def strike(sim: "Simulation", fault: Fault) -> None:
    """Let it happen."""
    if not sim.faulty:
        return
    sim.log.next("fault", fault.kind, fault.who, f"{fault.length:.3f}", fault.point)
    sim.oracle.count(f"fault {fault.kind}")
    globals()[f"_{fault.kind}"](sim, fault)


def _node(sim: "Simulation", fault: Fault) -> SimNode | None:
    running = [node for node in sim.live_nodes() if node.process.state is State.RUNS]
    return running[fault.who % len(running)] if running else None


def _busy(sim: "Simulation", fault: Fault) -> SimNode | None:
    """Prefer a node that owns something."""
    owners = [node for node in sim.live_nodes() if node.process.state is State.RUNS and node.keeper.shards]
    return owners[fault.who % len(owners)] if owners else _node(sim, fault)


def _person(sim: "Simulation", fault: Fault) -> "Person":
    return sim.people[fault.who % len(sim.people)]


def _restart(sim: "Simulation", node: SimNode, after_s: float) -> None:
    def again() -> None:
        if sim.faulty and not any(other.name == node.name for other in sim.live_nodes()):
            sim.start_node(node.name)

    sim.outside.call(after_s, again)


def _kill(sim: "Simulation", fault: Fault) -> None:
    node = _busy(sim, fault)
    if node is not None:
        node.kill()
        _restart(sim, node, fault.length)


def _kill_point(sim: "Simulation", fault: Fault) -> None:
    """It dies inside its next tick that commits."""
    node = _busy(sim, fault)
    if node is not None:
        node.armed = fault.point
        _restart(sim, node, fault.length + 0.5)
        _restart(sim, node, fault.length + 4.0)


def _silence(sim: "Simulation", fault: Fault) -> None:
    """The host is gone: no socket is closed."""
    node = _busy(sim, fault)
    if node is not None:
        node.died_at = sim.loop.time()
        node.process.kill()
        sim.network.node_died(node, silently=True)
        _restart(sim, node, fault.length)


def _pause(sim: "Simulation", fault: Fault) -> None:
    node = _busy(sim, fault)
    if node is not None:
        node.process.pause()
        node.process.trouble_at = sim.loop.time() + fault.length
        sim.outside.call(fault.length, node.process.go_on)


_stall = _pause


def _store_down(sim: "Simulation", fault: Fault) -> None:
    sim.world.down = True
    sim.downs += 1

    def up() -> None:
        sim.downs -= 1
        sim.world.down = sim.downs > 0 and sim.faulty

    sim.outside.call(fault.length, up)
    end = sim.loop.time() + fault.length
    before = sim.oracle.away[-1][1] if sim.oracle.away else 0.0
    sim.oracle.away.append((max(sim.loop.time(), before), max(end, before)))
    for node in sim.live_nodes():
        node.process.call(0.002, node.store.lose)
        node.process.trouble_at = sim.loop.time() + fault.length


def _weather(sim: "Simulation", node: SimNode | None, weather: Weather, length: float) -> None:
    if node is None:
        return
    node.store.weather = weather
    node.process.trouble_at = sim.loop.time() + length

    def clear() -> None:
        if node.store.weather is weather:
            node.store.weather = sim.fair_weather()

    sim.outside.call(length, clear)


def _store_slow(sim: "Simulation", fault: Fault) -> None:
    weather = Weather(low_ms=1.0, high_ms=20 + 100 * fault.amount, slow=0.15, slow_ms=100 + 900 * fault.amount)
    _weather(sim, _busy(sim, fault), weather, fault.length)


def _store_lossy(sim: "Simulation", fault: Fault) -> None:
    weather = Weather(
        low_ms=0.5,
        high_ms=sim.plan.latency_ms,
        slow=0.05,
        lose_request=0.1 * fault.amount,
        lose_answer=0.3 * (1 - fault.amount),
    )
    _weather(sim, _busy(sim, fault), weather, fault.length)


def _node_cut(sim: "Simulation", fault: Fault) -> None:
    _weather(sim, _busy(sim, fault), Weather(cut=True), fault.length)


def _drain(sim: "Simulation", fault: Fault) -> None:
    node = _busy(sim, fault)
    if node is None or node.keeper.draining:
        return
    node.process.spawn(node.keeper.drain(), "drain")
    node.process.trouble_at = sim.loop.time() + 1e9

    def stop() -> None:
        if node.process.state is State.RUNS:
            node.kill()
            _restart(sim, node, 0.3)

    sim.outside.call(fault.length, stop)


def _suspect(sim: "Simulation", fault: Fault) -> None:
    """The others think wrongly that it died: they steal from it while it plays on."""
    node = _busy(sim, fault)
    if node is not None:
        tell_death(node.instance, sim.nodes, sim.random)
        node.process.trouble_at = sim.loop.time()


def _time_jump(sim: "Simulation", fault: Fault) -> None:
    """The store's clock is set, by up to half a minute, either way."""
    sim.world.skew_us += int((fault.amount - 0.5) * 60_000_000)
    for node in sim.live_nodes():
        node.process.trouble_at = sim.loop.time()


def _road(sim: "Simulation", fault: Fault) -> None:
    road = Road(high_ms=20 + 200 * fault.amount, stall=0.03, break_=0.03 * fault.amount, silent=0.3)
    sim.network.road = road

    def clear() -> None:
        if sim.network.road is road:
            sim.network.road = Road()

    sim.outside.call(fault.length, clear)


def _break(sim: "Simulation", fault: Fault) -> None:
    person = _person(sim, fault)
    if person.link is not None:
        person.link.cut(silently=fault.amount < 0.2)


def _second_tab(sim: "Simulation", fault: Fault) -> None:
    person = _person(sim, fault)
    if person.role == "player":
        person.fidget()
        sim.second_tab(person, 0.0)


def _app_closed(sim: "Simulation", fault: Fault) -> None:
    person = _person(sim, fault)
    person.leave_silently()
    sim.second_tab(person, fault.length)


def _fall_back(sim: "Simulation", fault: Fault) -> None:
    """The store becomes what it was a while ago."""
    snapshot = sim.world.snapshot()

    def fall() -> None:
        for node in sim.live_nodes():
            node.process.call(0.0, node.store.lose)
        sim.world.fall_back(snapshot)

    sim.outside.call(fault.length, fall)


def _wipe(sim: "Simulation", fault: Fault) -> None:
    for node in sim.live_nodes():
        node.process.call(0.0, node.store.lose)
    sim.world.wipe()
