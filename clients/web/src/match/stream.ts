/** The room as told so far: a view kept by deltas, with its version. Pure. */
import { applyPatch, PatchError } from "../protocol/delta";
import type { Delta, PrivateDelta, Resync, RoomView, View, Welcome } from "../protocol/generated";

export interface Held {
  readonly epoch: number;
  readonly n: number;
  /** The shard clock that this version was told with. */
  readonly clock: number;
  readonly room: RoomView;
  /** What only this seat sees; null when there is nothing. */
  readonly mine: View | null;
  readonly role: string;
  readonly audience: string;
  readonly seat: number | null;
}

/** What a frame did: `fits` and changed the view, was `old` and dropped, or needs a `resync`. */
export type Verdict =
  { readonly is: "fits"; readonly held: Held } | { readonly is: "old" } | { readonly is: "resync" };

const OLD: Verdict = { is: "old" };
const RESYNC: Verdict = { is: "resync" };

/** A Welcome sets everything; a resumed one keeps the views and goes on from them. */
export function welcomed(before: Held | null, message: Welcome): Held | null {
  const named = {
    epoch: message.epoch,
    n: message.n,
    clock: message.clock,
    role: message.role,
    audience: message.audience,
    seat: message.seat ?? null,
  };
  if (message.resumed) {
    // The missing deltas follow and start from the version we hold; each audience counts its own (SPEC, resume).
    if (before?.epoch !== message.epoch || before.audience !== message.audience) return null;
    return { ...before, ...named, n: before.n, clock: before.clock, mine: message.private ?? null };
  }
  return { ...named, room: message.view as unknown as RoomView, mine: message.private ?? null };
}

export function resynced(before: Held, message: Resync): Held {
  return {
    ...before,
    epoch: message.epoch,
    n: message.n,
    clock: message.clock,
    room: message.view as unknown as RoomView,
    mine: message.private ?? null,
  };
}

export function changed(held: Held, delta: Delta): Verdict {
  if (delta.e < held.epoch) return OLD;
  if (delta.e > held.epoch) return RESYNC;
  if (delta.n <= held.n) return OLD;
  if (delta.f !== held.n) return RESYNC;
  return patched(() => ({
    ...held,
    n: delta.n,
    clock: delta.c,
    room: applyPatch(held.room as unknown as View, {
      set: delta.s,
      unset: delta.u,
      append: delta.a,
    }) as unknown as RoomView,
  }));
}

export function changedPrivately(held: Held, delta: PrivateDelta): Verdict {
  if (delta.e < held.epoch) return OLD;
  if (delta.e > held.epoch || delta.n > held.n) return RESYNC;
  return patched(() => {
    const mine = applyPatch(held.mine ?? {}, { set: delta.s, unset: delta.u });
    return { ...held, mine };
  });
}

function patched(make: () => Held): Verdict {
  try {
    return { is: "fits", held: make() };
  } catch (error) {
    if (error instanceof PatchError) return RESYNC;
    throw error;
  }
}
