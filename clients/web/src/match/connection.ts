/** The thin shell around the session machine: one socket, one timer, the browser's events. */
import { randomBytes } from "../lib/random";
import { BadMessage, decodeServer, encodeClient, SUBPROTOCOL } from "../protocol/codec";
import type { ClientMessage, ServerMessage } from "../protocol/generated";
import { roomClock } from "./clock";
import type { Wish } from "./commands";
import type { Seats } from "./seats";
import { nextWake, step } from "./session";
import { newSession, type Effect, type Input, type Role, type Session } from "./state";

/** What asking httpapi for a ticket gave. */
export type TicketAnswer =
  { readonly ticket: string } | { readonly status: number; readonly code: string; readonly afterMs: number };

export interface Outside {
  ticket(code: string, role: Role): Promise<TicketAnswer>;
  readonly seats: Seats;
  /** `ws://host` or `wss://host`. */
  readonly origin: string;
}

/** What passes by without being part of the view: chat, reactions, notices, refusals. */
export type Passing =
  | { readonly is: "message"; readonly message: ServerMessage }
  | { readonly is: "refused"; readonly wish: Wish; readonly code: string };

export class RoomConnection {
  #session: Session;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #passers = new Set<(passing: Passing) => void>();
  readonly #off = new AbortController();

  constructor(
    code: string,
    as: Role,
    private readonly outside: Outside,
  ) {
    this.#session = newSession(code, as, as === "player" ? outside.seats.find(code) : null);
  }

  get session(): Session {
    return this.#session;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly onPassing = (listener: (passing: Passing) => void): (() => void) => {
    this.#passers.add(listener);
    return () => this.#passers.delete(listener);
  };

  begin(): void {
    const { signal } = this.#off;
    const visible = (): void =>
      this.dispatch({ is: "visible", visible: document.visibilityState === "visible" });
    document.addEventListener("visibilitychange", visible, { signal });
    addEventListener("online", () => this.dispatch({ is: "online" }), { signal });
    addEventListener("offline", () => this.dispatch({ is: "offline" }), { signal });
    // A page restored from the back-forward cache has lost its socket without being told.
    addEventListener("pageshow", (event) => event.persisted && this.dispatch({ is: "offline" }), { signal });
    visible();
    this.dispatch({ is: "begin" });
  }

  end(): void {
    this.#off.abort();
    this.dispatch({ is: "end" });
    this.#listeners.clear();
    this.#passers.clear();
    clearTimeout(this.#timer);
  }

  /** Ask for something; the answer comes as a change of the view, or as a refusal in passing. */
  readonly ask = (wish: Wish): void => this.dispatch({ is: "wish", wish });
  readonly say = (message: ClientMessage): void => this.dispatch({ is: "say", message });
  readonly again = (): void => this.dispatch({ is: "again" });

  /** The room clock now, ms; null before the first view. */
  readonly roomNow = (): number | null => {
    const { held, clock } = this.#session;
    return held && roomClock(held.room.clock, clock, performance.now());
  };

  dispatch(input: Input): void {
    const [session, effects] = step(this.#session, input, performance.now(), Math.random());
    const changed = session !== this.#session;
    this.#session = session;
    for (const effect of effects) this.#perform(effect);
    // A timer may fire a moment early: then nothing changes, and it has to be set again.
    if (changed || input.is === "wake") this.#arm();
    if (!changed) return;
    for (const listener of this.#listeners) listener();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const at = nextWake(this.#session);
    if (at === null) return;
    this.#timer = setTimeout(() => this.dispatch({ is: "wake" }), Math.max(0, at - performance.now()));
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case "ticket":
        void this.#askTicket();
        return;
      case "open":
        this.#open(effect.ticket);
        return;
      case "send":
        this.#send(effect.message);
        return;
      case "close":
        this.#letGo();
        return;
      case "keepSeat":
        this.outside.seats.keep(this.#session.code, effect.seat);
        return;
      case "forgetSeat":
        this.outside.seats.forget(this.#session.code);
        return;
      case "refused":
        this.#pass({ is: "refused", wish: effect.wish, code: effect.code });
        return;
      case "tell":
        this.#pass({ is: "message", message: effect.message });
        return;
      case "acked":
        return; // the session's pending commands show it
    }
  }

  #pass(passing: Passing): void {
    for (const listener of this.#passers) listener(passing);
  }

  async #askTicket(): Promise<void> {
    const answer = await this.outside.ticket(this.#session.code, this.#session.as);
    if (this.#off.signal.aborted) return;
    this.dispatch(
      "ticket" in answer ? { is: "ticket", ticket: answer.ticket } : { is: "noTicket", ...answer },
    );
  }

  #open(ticket: string | null): void {
    this.#letGo();
    const query = ticket === null ? "" : `?token=${encodeURIComponent(ticket)}`;
    const url = `${this.outside.origin}/ws/game/${this.#session.code}${query}`;
    const socket = new WebSocket(url, SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    // Events of a socket that was let go are nobody's.
    const ours = (input: () => Input) => () => {
      if (this.#socket === socket) this.dispatch(input());
    };
    socket.onopen = ours(() => ({ is: "opened" }));
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (this.#socket === socket) this.#received(event.data);
    };
    socket.onclose = (event) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.dispatch({ is: "closed", code: event.code, reason: event.reason });
    };
  }

  #received(data: unknown): void {
    let message: ServerMessage;
    try {
      if (!(data instanceof ArrayBuffer)) throw new BadMessage("a text frame");
      message = decodeServer(data);
    } catch (error) {
      if (!(error instanceof BadMessage)) throw error;
      this.dispatch({ is: "garbled" });
      return;
    }
    this.dispatch({ is: "message", message });
  }

  #send(message: ClientMessage): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    // The seat's part of the next match's seed is drawn here: the machine has no randomness.
    const whole = message.t === "hello" ? { ...message, nonce: randomBytes(16) } : message;
    this.#socket.send(encodeClient(whole));
  }

  #letGo(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
