/** What a stay in a room is: its state, what happens to it, and what is to be done. See `session.ts`. */
import type { ClientMessage, ServerMessage } from "../protocol/generated";
import { NO_CLOCK, type ClockSync } from "./clock";
import * as commands from "./commands";
import type { Held } from "./stream";

export type Role = "player" | "watcher" | "screen";

export interface Seat {
  readonly seat: number;
  readonly secret: string;
}

export type Link =
  | { readonly is: "idle" }
  | { readonly is: "ticket" }
  | { readonly is: "connecting"; readonly until: number }
  | { readonly is: "greeting"; readonly until: number }
  | { readonly is: "live" }
  | { readonly is: "waiting"; readonly until: number; readonly code: number }
  | { readonly is: "stopped"; readonly code: number; readonly reason: string };

export interface Session {
  readonly code: string;
  readonly as: Role;
  readonly link: Link;
  /** To come back without a ticket. */
  readonly seat: Seat | null;
  readonly held: Held | null;
  readonly resyncing: boolean;
  readonly commands: commands.Commands;
  readonly clock: ClockSync;
  /** Losses since the last Welcome. */
  readonly attempt: number;
  /** When the line was lost; null while it holds. */
  readonly lostAt: number | null;
  /** The server said goodbye: what it said, for the close that follows. */
  readonly bye: { readonly code: number; readonly reason: string; readonly afterMs: number } | null;
  readonly visible: boolean;
  /** The oldest clock ask without an answer, and when the next one is due. */
  readonly asked: number | null;
  readonly askAt: number;
  readonly asks: number;
  /** Frozen commands are tried again at this time though the room already runs. */
  readonly thawAt: number | null;
}

export type Input =
  | { readonly is: "begin" }
  | { readonly is: "ticket"; readonly ticket: string }
  | { readonly is: "noTicket"; readonly status: number; readonly code: string; readonly afterMs: number }
  | { readonly is: "opened" }
  | { readonly is: "message"; readonly message: ServerMessage }
  | { readonly is: "garbled" }
  | { readonly is: "closed"; readonly code: number; readonly reason: string }
  | { readonly is: "wish"; readonly wish: commands.Wish }
  | { readonly is: "say"; readonly message: ClientMessage }
  | { readonly is: "visible"; readonly visible: boolean }
  | { readonly is: "online" }
  | { readonly is: "offline" }
  | { readonly is: "wake" }
  | { readonly is: "again" }
  | { readonly is: "end" };

export type Effect =
  | { readonly do: "ticket" }
  | { readonly do: "open"; readonly ticket: string | null }
  | { readonly do: "send"; readonly message: ClientMessage }
  | { readonly do: "close" }
  | { readonly do: "keepSeat"; readonly seat: Seat }
  | { readonly do: "forgetSeat" }
  | { readonly do: "acked"; readonly wish: commands.Wish }
  | { readonly do: "refused"; readonly wish: commands.Wish; readonly code: string }
  | { readonly do: "tell"; readonly message: ServerMessage };

export type Step = readonly [Session, readonly Effect[]];

export function newSession(code: string, as: Role, seat: Seat | null): Session {
  return {
    code,
    as,
    seat,
    link: { is: "idle" },
    held: null,
    resyncing: false,
    commands: commands.NO_COMMANDS,
    clock: NO_CLOCK,
    attempt: 0,
    lostAt: null,
    bye: null,
    visible: true,
    asked: null,
    askAt: 0,
    asks: 0,
    thawAt: null,
  };
}

export function hasSocket(link: Link): boolean {
  return link.is === "connecting" || link.is === "greeting" || link.is === "live";
}
