/** The way into a room, out of it, and back: steps of `session.ts` that change the link. Pure. */
import { CloseCode, type ClientMessage } from "../protocol/generated";
import * as commands from "./commands";
import { ABNORMAL, adviceFor, backoff, NO_STATUS } from "./rules";
import { hasSocket, type Effect, type Session, type Step } from "./state";

const CONNECT_MS = 6_000;
const WELCOME_MS = 6_000;
/** Every so many failed attempts a ticket is asked for: httpapi knows whether the room still exists. */
const ASK_TICKET_EVERY = 4;

// ---- getting there

/** By the seat's secret when there is one, else (and now and then) by a ticket. */
export function reach(session: Session, now: number): Step {
  const doubtful = session.attempt > 0 && session.attempt % ASK_TICKET_EVERY === 0;
  if (session.seat && !doubtful) return connect(session, null, now);
  return [{ ...session, link: { is: "ticket" } }, [{ do: "ticket" }]];
}

export function connect(session: Session, ticket: string | null, now: number): Step {
  return [
    { ...session, link: { is: "connecting", until: now + CONNECT_MS }, bye: null },
    [{ do: "open", ticket }],
  ];
}

export function noTicket(
  session: Session,
  input: { status: number; code: string; afterMs: number },
  now: number,
  random: number,
): Step {
  const { status, code } = input;
  if (status === 404) return stop(session, CloseCode.ROOM_NOT_FOUND, code);
  // Without a session in this browser a seat's secret still opens the room.
  if (status === 401 && session.seat) return later(session, ABNORMAL, 0, now, random);
  if (status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429) {
    return stop(session, CloseCode.REFUSED, code || String(status));
  }
  return later(session, status === 429 ? CloseCode.RATE_LIMITED : ABNORMAL, input.afterMs, now, random);
}

export function greet(session: Session, now: number): Step {
  const { seat, held } = session;
  const message: ClientMessage = {
    t: "hello",
    client: "arena-web",
    ...(seat ? { seat: seat.seat, secret: seat.secret } : {}),
    ...(seat && held ? { at: { epoch: held.epoch, n: held.n, clock: held.clock } } : {}),
  };
  return [{ ...session, link: { is: "greeting", until: now + WELCOME_MS } }, [{ do: "send", message }]];
}

// ---- losing it

export function closed(
  session: Session,
  input: { code: number; reason: string },
  now: number,
  random: number,
): Step {
  if (!hasSocket(session.link)) return [session, []];
  const told = input.code === ABNORMAL || input.code === NO_STATUS ? session.bye : null;
  return lost(session, told?.code ?? input.code, told?.reason ?? input.reason, now, random, false);
}

export function lost(
  session: Session,
  code: number,
  reason: string,
  now: number,
  random: number,
  close: boolean,
): Step {
  const effects: Effect[] = close ? [{ do: "close" }] : [];
  const quiet: Session = {
    ...session,
    commands: commands.unsent(session.commands),
    resyncing: false,
    asked: null,
    lostAt: session.lostAt ?? now,
  };
  const advice = adviceFor(code);
  if (advice === "stop") {
    const [stopped, more] = stop(quiet, code, reason);
    return [stopped, [...effects, ...more]];
  }
  const forget = advice === "ticket" && quiet.seat !== null;
  if (forget) effects.push({ do: "forgetSeat" });
  const [waiting, more] = later(
    forget ? { ...quiet, seat: null } : quiet,
    code,
    session.bye?.afterMs ?? 0,
    now,
    random,
  );
  return [waiting, [...effects, ...more]];
}

function later(session: Session, code: number, afterMs: number, now: number, random: number): Step {
  const until = now + Math.max(afterMs, backoff(session.attempt, random, code));
  return [{ ...session, link: { is: "waiting", until, code }, attempt: session.attempt + 1, bye: null }, []];
}

function stop(session: Session, code: number, reason: string): Step {
  // REPLACED keeps the seat: it may be taken back. A seat that is gone for good is forgotten.
  const gone =
    code === CloseCode.NORMAL ||
    code === CloseCode.KICKED ||
    code === CloseCode.ROOM_CLOSED ||
    code === CloseCode.ROOM_NOT_FOUND;
  const stopped: Session = {
    ...session,
    link: { is: "stopped", code, reason },
    seat: gone ? null : session.seat,
    bye: null,
  };
  return [stopped, gone ? [{ do: "forgetSeat" }] : []];
}
