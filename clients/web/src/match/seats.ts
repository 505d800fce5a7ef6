/** The seats this device holds: number and resume secret, by room. A reload finds its way back with them. */
import type { Storage } from "../lib/storage";
import type { Seat } from "./state";

const PREFIX = "arena.seat.";
const ROOMS_KEPT = 12;

interface Kept extends Seat {
  readonly at: number;
}

function parse(text: string | null): Kept | null {
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<Kept> | null;
    if (typeof value?.seat !== "number" || typeof value.secret !== "string") return null;
    return { seat: value.seat, secret: value.secret, at: Number(value.at) || 0 };
  } catch {
    return null;
  }
}

export class Seats {
  constructor(
    private readonly storage: Storage,
    private readonly now: () => number = Date.now,
  ) {}

  find(code: string): Seat | null {
    const kept = parse(this.storage.get(PREFIX + code));
    return kept && { seat: kept.seat, secret: kept.secret };
  }

  keep(code: string, seat: Seat): void {
    this.storage.set(PREFIX + code, JSON.stringify({ ...seat, at: this.now() }));
    const rooms = this.storage
      .keys()
      .filter((key) => key.startsWith(PREFIX))
      .map((key) => ({ key, at: parse(this.storage.get(key))?.at ?? 0 }))
      .sort((a, b) => b.at - a.at);
    for (const { key } of rooms.slice(ROOMS_KEPT)) this.storage.remove(key);
  }

  forget(code: string): void {
    this.storage.remove(PREFIX + code);
  }
}
