/**
 * Commands on their way: each is kept until it is answered, and resent under its id after a loss. Pure.
 *
 * Ids count up for the seat. Every Welcome tells the next free one, above all that this client ever used, so an
 * old id is only ever used again for the same command.
 */
import type { Command } from "../protocol/generated";

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
/** A command before it has an id. */
export type Wish = WithoutId<Command>;

export interface Pending {
  readonly id: number;
  readonly wish: Wish;
  /** Handed to the socket of the present connection. */
  readonly sent: boolean;
  /** The server said FROZEN: not applied, to be sent again when the room runs. */
  readonly frozen: boolean;
}

export interface Commands {
  readonly pending: readonly Pending[];
  readonly nextId: number;
  /** The highest id the server acknowledged. */
  readonly acked: number;
}

export const UNANSWERED_MAX = 16;
export const NO_COMMANDS: Commands = { pending: [], nextId: 1, acked: 0 };

/** These go through while the room stands still: they are about the standstill itself. */
const ALWAYS = new Set<Command["t"]>(["room.unpause", "room.leave"]);

export function isFrozen(commands: Commands): boolean {
  return commands.pending.some((one) => one.frozen);
}

/** Take a wish in; `now` says whether it may be handed to the socket at once. Null: too many unanswered. */
export function wished(commands: Commands, wish: Wish, live: boolean): [Commands, Command | null] | null {
  if (commands.pending.length >= UNANSWERED_MAX) return null;
  const id = commands.nextId;
  const send = live && (!isFrozen(commands) || ALWAYS.has(wish.t));
  const pending = [...commands.pending, { id, wish, sent: send, frozen: false }];
  return [{ ...commands, nextId: id + 1, pending }, send ? withId(wish, id) : null];
}

export function withId(wish: Wish, id: number): Command {
  return { ...wish, id };
}

export function acknowledged(commands: Commands, ids: readonly number[]): Commands {
  return {
    ...commands,
    pending: commands.pending.filter((one) => !ids.includes(one.id)),
    acked: Math.max(commands.acked, ...ids),
  };
}

export function find(commands: Commands, id: number): Pending | undefined {
  return commands.pending.find((one) => one.id === id);
}

export function dropped(commands: Commands, id: number): Commands {
  return { ...commands, pending: commands.pending.filter((one) => one.id !== id) };
}

export function froze(commands: Commands, id: number): Commands {
  const pending = commands.pending.map((one) => (one.id === id ? { ...one, frozen: true } : one));
  return { ...commands, pending };
}

/** The connection is gone: whatever is unanswered has to be handed over again. */
export function unsent(commands: Commands): Commands {
  return { ...commands, pending: commands.pending.map((one) => ({ ...one, sent: false })) };
}

/**
 * Everything that still has to go out, oldest first, under its old id.
 *
 * A frozen command that was overtaken by a later, accepted one gets a new id: its old one would be stale, and
 * the refusal says that it was not applied.
 */
export function resend(commands: Commands): [Commands, Command[]] {
  let nextId = commands.nextId;
  const out: Command[] = [];
  const pending = commands.pending.map((one) => {
    if (one.sent && !one.frozen) return one;
    const id = one.frozen && one.id <= commands.acked ? nextId++ : one.id;
    out.push(withId(one.wish, id));
    return { ...one, id, sent: true, frozen: false };
  });
  return [{ ...commands, nextId, pending }, out];
}
