/** What to do when a connection ends: SPEC's table of close codes, as this client follows it. */

export type Advice = "resume" | "ticket" | "stop";

export const CLOSE = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  NO_STATUS: 1005,
  ABNORMAL: 1006,
  TOO_BIG: 1009,
  INTERNAL: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN: 1013,
  BAD_TICKET: 4001,
  HELLO_TIMEOUT: 4002,
  REPLACED: 4003,
  KICKED: 4004,
  ROOM_CLOSED: 4005,
  ROOM_NOT_FOUND: 4006,
  SLOW_READER: 4007,
  RATE_LIMITED: 4008,
  RESUME_REFUSED: 4009,
  MOVED: 4010,
  REFUSED: 4011,
  PING_TIMEOUT: 4012,
  ROOM_FAILED: 4013,
} as const;

const STOP = new Set<number>([
  CLOSE.NORMAL,
  CLOSE.PROTOCOL_ERROR,
  CLOSE.TOO_BIG,
  CLOSE.REPLACED,
  CLOSE.KICKED,
  CLOSE.ROOM_CLOSED,
  CLOSE.ROOM_NOT_FOUND,
  CLOSE.REFUSED,
  CLOSE.ROOM_FAILED,
]);
const TICKET = new Set<number>([CLOSE.BAD_TICKET, CLOSE.RESUME_REFUSED]);

/** A code nobody declared is a broken line: come back and resume. */
export function adviceFor(code: number): Advice {
  if (STOP.has(code)) return "stop";
  return TICKET.has(code) ? "ticket" : "resume";
}

const BACKOFF_FIRST_MS = 250;
const BACKOFF_MOST_MS = 8_000;
const RATE_LIMITED_MS = 1_000;

/**
 * How long to wait before attempt number `attempt` (0 is the first after a loss).
 *
 * Doubling from a quarter second to eight; `random` in [0, 1) spreads it over the upper three quarters, so that
 * a whole classroom does not come back in one instant.
 */
export function backoff(attempt: number, random: number, code: number): number {
  const top = Math.min(BACKOFF_FIRST_MS * 2 ** attempt, BACKOFF_MOST_MS);
  const wait = top * (0.25 + 0.75 * random);
  return code === CLOSE.RATE_LIMITED || code === CLOSE.TRY_AGAIN ? wait + RATE_LIMITED_MS : wait;
}
