/**
 * One person's stay in one room, as a state machine: `step(session, input, now, random)` → session and effects.
 *
 * Pure: no socket, no clock, no storage. The shell (`connection.ts`) performs the effects and feeds what
 * happens back. Times are `performance.now()` milliseconds.
 *
 *   ticket ──ticket──▶ connecting ──opened──▶ greeting ──Welcome──▶ live
 *     ▲                     │                     │                   │
 *     └──── waiting ◀───────┴──── closed ─────────┴───────────────────┘      stopped: a person has to act
 */
import type { ServerMessage } from "../protocol/generated";
import { clockHeard, clockRestarted } from "./clock";
import * as commands from "./commands";
import { ABNORMAL } from "./rules";
import { hasSocket, type Effect, type Input, type Session, type Step } from "./state";
import { changed, changedPrivately, resynced, welcomed, type Verdict } from "./stream";
import { closed, connect, greet, lost, noTicket, reach } from "./way";

const ASK_EVERY_MS = 2_000;
const ASK_FIRST_MS = 200;
const ASKS_FIRST = 5;
/** A clock ask unanswered for this long: the path is dead, though TCP may not know it yet. */
const SILENCE_MS = 4_500;
/** A timer this late says that our own page slept, not that the server was silent. */
const OVERSLEPT_MS = 1_500;
const THAW_MS = 300;

export function step(session: Session, input: Input, now: number, random: number): Step {
  switch (input.is) {
    case "begin":
      return session.link.is === "idle" ? reach(session, now) : [session, []];
    case "again":
      return session.link.is === "stopped" || session.link.is === "waiting"
        ? reach({ ...session, attempt: 0, lostAt: session.lostAt ?? now }, now)
        : [session, []];
    case "ticket":
      return session.link.is === "ticket" ? connect(session, input.ticket, now) : [session, []];
    case "noTicket":
      return session.link.is === "ticket" ? noTicket(session, input, now, random) : [session, []];
    case "opened":
      return session.link.is === "connecting" ? greet(session, now) : [session, []];
    case "message":
      return heard(session, input.message, now);
    case "garbled":
      return lost(session, ABNORMAL, "", now, random, true);
    case "closed":
      return closed(session, input, now, random);
    case "wish":
      return wish(session, input.wish);
    case "say":
      return session.link.is === "live" ? [session, [{ do: "send", message: input.message }]] : [session, []];
    case "visible":
      return looked({ ...session, visible: input.visible }, now);
    case "online":
      return session.link.is === "waiting" ? reach(session, now) : [session, []];
    case "offline":
      return hasSocket(session.link) ? lost(session, ABNORMAL, "", now, random, true) : [session, []];
    case "wake":
      return wake(session, now, random);
    case "end":
      return [{ ...session, link: { is: "idle" } }, hasSocket(session.link) ? [{ do: "close" }] : []];
  }
}

/** When `step` wants to be woken, or null. */
export function nextWake(session: Session): number | null {
  const times: number[] = [];
  const { link } = session;
  if (link.is === "connecting" || link.is === "greeting" || link.is === "waiting") times.push(link.until);
  if (link.is === "live" && session.visible) {
    times.push(session.askAt);
    if (session.asked !== null) times.push(session.asked + SILENCE_MS);
  }
  if (link.is === "live" && session.thawAt !== null) times.push(session.thawAt);
  return times.length === 0 ? null : Math.min(...times);
}

// ---- being there

function heard(session: Session, message: ServerMessage, now: number): Step {
  if (message.t === "bye") {
    const bye = { code: message.code, reason: message.reason ?? "", afterMs: message.after_ms ?? 0 };
    return [{ ...session, bye }, []];
  }
  if (message.t === "welcome")
    return session.link.is === "greeting" ? welcome(session, message, now) : [session, []];
  if (session.link.is !== "live") return [session, []];
  switch (message.t) {
    case "resync": {
      if (!session.held) return [session, []];
      const held = resynced(session.held, message);
      return thaw({ ...freshClock(session, message.clock, now), held, resyncing: false }, now);
    }
    case "d":
      if (!session.held || session.resyncing) return [session, []];
      return follow(session, changed(session.held, message), now);
    case "p":
      if (!session.held || session.resyncing) return [session, []];
      return follow(session, changedPrivately(session.held, message), now);
    case "ack":
      return acked(session, message.ids);
    case "no":
      return refused(session, message.id, message.code, now);
    case "clock":
      return clockTold(session, message, now);
    case "chat":
    case "react":
    case "notice":
    case "lobby.rooms":
      return [session, [{ do: "tell", message }]];
    default:
      return [session, []]; // said by a newer server
  }
}

function welcome(session: Session, message: Extract<ServerMessage, { t: "welcome" }>, now: number): Step {
  const held = welcomed(session.held, message);
  const effects: Effect[] = [];
  let { seat } = session;
  if (typeof message.seat === "number" && message.secret) {
    seat = { seat: message.seat, secret: message.secret };
    effects.push({ do: "keepSeat", seat });
  }
  const same = session.held === null || session.held.seat === (message.seat ?? null);
  const kept = same ? session.commands : commands.NO_COMMANDS;
  const live: Session = {
    ...freshClock(session, message.clock, now),
    link: { is: "live" },
    seat,
    held: held ?? session.held,
    resyncing: held === null,
    attempt: 0,
    lostAt: null,
    bye: null,
    asked: null,
    askAt: now,
    asks: 0,
  };
  if (held === null) effects.push({ do: "send", message: { t: "resync" } });
  // Unanswered commands first, under their old ids; new ones get ids above all of them.
  const [sent, out] = commands.resend(commands.unsent(kept));
  const nextId = Math.max(sent.nextId, message.next_id ?? 1);
  for (const command of out) effects.push({ do: "send", message: command });
  const [asking, ask] = askClock({ ...live, commands: { ...sent, nextId } }, now);
  return [asking, [...effects, ...ask]];
}

function follow(session: Session, verdict: Verdict, now: number): Step {
  switch (verdict.is) {
    case "old":
      return [session, []];
    case "resync":
      return [{ ...session, resyncing: true }, [{ do: "send", message: { t: "resync" } }]];
    case "fits":
      return thaw({ ...session, held: verdict.held }, now);
  }
}

// ---- commands

function wish(session: Session, wanted: commands.Wish): Step {
  const refuse = (code: string): Step => [session, [{ do: "refused", wish: wanted, code }]];
  if (session.link.is === "stopped" || session.held?.seat == null) return refuse("not_allowed");
  const taken = commands.wished(session.commands, wanted, session.link.is === "live");
  if (!taken) return refuse("rate_limited");
  const [kept, out] = taken;
  return [{ ...session, commands: kept }, out ? [{ do: "send", message: out }] : []];
}

function acked(session: Session, ids: readonly number[]): Step {
  const effects: Effect[] = session.commands.pending
    .filter((one) => ids.includes(one.id))
    .map((one) => ({ do: "acked", wish: one.wish }));
  return [{ ...session, commands: commands.acknowledged(session.commands, ids) }, effects];
}

function refused(session: Session, id: number, code: string, now: number): Step {
  const one = commands.find(session.commands, id);
  if (!one) return [session, []];
  if (code === "frozen") {
    const frozen = { ...session, commands: commands.froze(session.commands, id) };
    return [isRunning(session) ? { ...frozen, thawAt: now + THAW_MS } : frozen, []];
  }
  return [
    { ...session, commands: commands.dropped(session.commands, id) },
    [{ do: "refused", wish: one.wish, code }],
  ];
}

function isRunning(session: Session): boolean {
  return session.held !== null && !session.held.room.standstill && session.held.room.clock.stopped === null;
}

/** The room runs again: what was refused FROZEN goes out, in order. */
function thaw(session: Session, now: number): Step {
  if (!commands.isFrozen(session.commands) || !isRunning(session)) return [session, []];
  if (session.thawAt !== null && now < session.thawAt) return [session, []];
  const [sent, out] = commands.resend(session.commands);
  return [{ ...session, commands: sent, thawAt: null }, out.map((message) => ({ do: "send", message }))];
}

// ---- the clock, which is also the heartbeat

function freshClock(session: Session, shard: number, now: number): Session {
  return { ...session, clock: clockRestarted(shard, now), asks: 0, askAt: now };
}

function clockTold(session: Session, message: { c: number; s: number; e: number }, now: number): Step {
  // An answer from before a change of owner says nothing about the clock, but the path is alive.
  const alive = { ...session, asked: null };
  if (message.e !== session.held?.epoch) return [alive, []];
  return [{ ...alive, clock: clockHeard(session.clock, message.c, message.s, now) }, []];
}

function askClock(session: Session, now: number): Step {
  const asks = session.asks + 1;
  const asked = session.asked ?? now;
  const askAt = now + (asks < ASKS_FIRST ? ASK_FIRST_MS : ASK_EVERY_MS);
  return [{ ...session, asks, asked, askAt }, [{ do: "send", message: { t: "clock", c: Math.floor(now) } }]];
}

/** The page came to the front or went to the back: only a page in front keeps watch over its line. */
function looked(session: Session, now: number): Step {
  if (session.link.is === "waiting" && session.visible) return reach(session, now);
  if (session.link.is !== "live") return [session, []];
  return session.visible ? askClock({ ...session, asked: null }, now) : [{ ...session, asked: null }, []];
}

function wake(session: Session, now: number, random: number): Step {
  const { link } = session;
  switch (link.is) {
    case "waiting":
      return now >= link.until ? reach(session, now) : [session, []];
    case "connecting":
    case "greeting":
      return now >= link.until ? lost(session, ABNORMAL, "", now, random, true) : [session, []];
    case "live":
      return keepWatch(session, now, random);
    case "idle":
    case "ticket":
    case "stopped":
      return [session, []];
  }
}

function keepWatch(session: Session, now: number, random: number): Step {
  if (session.thawAt !== null && now >= session.thawAt) return thaw(session, now);
  if (!session.visible) return [session, []];
  if (session.asked !== null && now >= session.asked + SILENCE_MS) {
    if (now < session.asked + SILENCE_MS + OVERSLEPT_MS)
      return lost(session, ABNORMAL, "", now, random, true);
    return askClock({ ...session, asked: null }, now);
  }
  return now >= session.askAt ? askClock(session, now) : [session, []];
}
