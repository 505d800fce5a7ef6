/**
 * Clock sync: what the shard clock shows now, and how far off that may be.
 *
 * One ask gives an interval in which (shard clock − our clock) must lie: the server looked at its clock some
 * time between our asking and its answer's arrival. Intervals of recent asks are intersected, newest first,
 * for as long as they agree; a clock that was given back time (a stalled server) disagrees with older asks, and
 * those are then forgotten. All values are milliseconds; "ours" is `performance.now()`.
 */

export interface ClockSync {
  /** Newest first: bounds of (shard clock − our clock). */
  readonly asks: readonly { readonly low: number; readonly high: number }[];
  /** From Welcome and Resync, until an ask is answered: too low by the way here. */
  readonly rough: number | null;
}

export interface ClockEstimate {
  /** Add to our clock to get the shard clock. */
  readonly offset: number;
  /** The shard clock is within ± this; null: not measured yet. */
  readonly error: number | null;
}

const ASKS_KEPT = 10;

export const NO_CLOCK: ClockSync = { asks: [], rough: null };

/** A whole view came: what was measured before is void. */
export function clockRestarted(shard: number, now: number): ClockSync {
  return { asks: [], rough: shard - now };
}

/** An ask sent at `asked` was answered with `shard`, received at `now`. */
export function clockHeard(sync: ClockSync, asked: number, shard: number, now: number): ClockSync {
  const fresh = { low: shard - now, high: shard - asked };
  let { low, high } = fresh;
  const agreeing = [];
  for (const ask of sync.asks.slice(0, ASKS_KEPT - 1)) {
    low = Math.max(low, ask.low);
    high = Math.min(high, ask.high);
    if (low > high) break;
    agreeing.push(ask);
  }
  return { asks: [fresh, ...agreeing], rough: sync.rough };
}

export function clockEstimate(sync: ClockSync): ClockEstimate | null {
  if (sync.asks.length === 0) return sync.rough === null ? null : { offset: sync.rough, error: null };
  const low = Math.max(...sync.asks.map((ask) => ask.low));
  const high = Math.min(...sync.asks.map((ask) => ask.high));
  return { offset: (low + high) / 2, error: (high - low) / 2 };
}

/** The last ask's round trip, ms; null before the first answer. */
export function roundTrip(sync: ClockSync): number | null {
  const last = sync.asks[0];
  return last ? last.high - last.low : null;
}

/** The room clock: it stands still while the view says so. */
export function roomClock(
  clock: { readonly offset: number; readonly stopped: number | null },
  sync: ClockSync,
  now: number,
): number {
  if (clock.stopped !== null) return clock.stopped;
  return now + (clockEstimate(sync)?.offset ?? 0) - clock.offset;
}
