/** What to do when a connection ends: SPEC's table of close codes, as this client follows it. */

import { CLOSE_RULES, CloseCode, type Advice } from "../protocol/generated";

/** Close codes of RFC 6455 that only the browser makes: the line broke. */
export const NO_STATUS = 1005;
export const ABNORMAL = 1006;

/** A code nobody declared is a broken line: come back and resume. */
export function adviceFor(code: number): Advice {
  return code in CLOSE_RULES ? CLOSE_RULES[code as CloseCode].advice : "resume";
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
  return code === CloseCode.RATE_LIMITED || code === CloseCode.TRY_AGAIN ? wait + RATE_LIMITED_MS : wait;
}
