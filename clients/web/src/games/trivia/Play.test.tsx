// @vitest-environment happy-dom
import { decode } from "@msgpack/msgpack";
import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Passing } from "../../match/connection";
import { RoomConnection } from "../../match/connection";
import { RoomContext } from "../../match/hooks";
import { Seats } from "../../match/seats";
import type { ServerMessage } from "../../protocol/generated";
import { setLanguage } from "../../text";
import { Play } from "./Play";

const OPENS_AT = 1_000;

/** A socket whose other end is the test. */
class Wire {
  static readonly OPEN = 1;
  static last: Wire;
  readonly readyState = Wire.OPEN;
  readonly sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onclose: ((event: object) => void) | null = null;
  constructor() {
    Wire.last = this;
  }
  send(bytes: Uint8Array): void {
    this.sent.push(decode(bytes) as Record<string, unknown>);
  }
  close(): void {
    // nobody is there
  }
}

const answers = (): unknown[] => Wire.last.sent.filter((one) => one["t"] === "trivia.answer");

/** The stage as told, with the question's text, `now` ms on the shard's clock. */
function game(stage: string, more: object = {}): object {
  return {
    mode: "trivia",
    stage,
    number: 0,
    of: 5,
    answered: {},
    scores: {},
    question: {
      text: "Which?",
      options: ["one", "two", "three", "four"],
      category: "Any",
      difficulty: "easy",
      opens_at: OPENS_AT,
      closes_at: OPENS_AT + 20_000,
    },
    ...more,
  };
}

async function seated(stage: string, clock: number): Promise<RoomConnection> {
  const seats = new Seats({ get: () => null, set: () => undefined, remove: () => undefined, keys: () => [] });
  const ticket = (): Promise<{ ticket: string }> => Promise.resolve({ ticket: "t" });
  const connection = new RoomConnection("BCDF23", "player", { ticket, seats, origin: "ws://here" });
  connection.dispatch({ is: "begin" });
  await Promise.resolve();
  await Promise.resolve();
  connection.dispatch({ is: "opened" });
  const seat = { name: "Ada", avatar: "a:1", role: "player", playing: true, here: true, ready: true };
  told(connection, {
    t: "welcome",
    room: "BCDF23",
    role: "player",
    audience: "players",
    epoch: 1,
    n: 1,
    clock,
    seat: 1,
    secret: "s".repeat(43),
    next_id: 1,
    private: {},
    view: {
      code: "BCDF23",
      phase: "match",
      mode: "trivia",
      settings: {},
      seats: { 1: seat },
      host: 2,
      clock: { offset: 0, stopped: null },
      game: game(stage),
    },
  });
  return connection;
}

function told(connection: RoomConnection, message: object): void {
  connection.dispatch({ is: "message", message: message as ServerMessage });
}

function shown(connection: RoomConnection): void {
  render(
    <RoomContext value={connection}>
      <Play />
    </RoomContext>,
  );
}

beforeEach(() => {
  vi.stubGlobal("WebSocket", Wire);
  setLanguage("en");
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe("answering", () => {
  it("goes out at once when the question is open", async () => {
    const connection = await seated("open", OPENS_AT + 500);
    shown(connection);
    await userEvent.click(screen.getByRole("button", { name: /^B: two/ }));
    expect(answers()).toMatchObject([{ question: 0, option: 1 }]);
    expect(screen.getByRole("button", { name: /^B: two\s*, on its way/ }).getAttribute("aria-pressed")).toBe(
      "true",
    );
    connection.end();
  });

  it("keeps a press after the opening until the server says that it is open, and sends it once", async () => {
    const connection = await seated("ready", OPENS_AT + 30);
    shown(connection);
    await userEvent.click(screen.getByRole("button", { name: /^C: three/ }));
    expect(answers()).toEqual([]);
    expect(
      screen.getByRole("button", { name: /^C: three\s*, on its way/ }).getAttribute("aria-pressed"),
    ).toBe("true");
    await userEvent.click(screen.getByRole("button", { name: /^A: one/ })); // the first press counts
    act(() => told(connection, { t: "d", e: 1, f: 1, n: 2, c: OPENS_AT, s: { "game/stage": "open" } }));
    act(() => told(connection, { t: "d", e: 1, f: 2, n: 3, c: OPENS_AT, s: { "game/answered": { 2: 1 } } }));
    expect(answers()).toMatchObject([{ question: 0, option: 2 }]);
    connection.end();
  });

  it("shows nothing before the opening, and takes no key", async () => {
    const connection = await seated("ready", OPENS_AT - 900);
    shown(connection);
    await userEvent.keyboard("a1");
    expect(screen.queryByRole("button", { name: /^A: / })).toBeNull();
    expect(answers()).toEqual([]);
    connection.end();
  });

  it.each([
    ["b", 1],
    ["D", 3],
    ["3", 2],
  ] as const)("takes the key %s", async (key, option) => {
    const connection = await seated("open", OPENS_AT + 500);
    shown(connection);
    await userEvent.keyboard(key);
    expect(answers()).toMatchObject([{ option }]);
    connection.end();
  });

  it("takes no key that no tile has", async () => {
    const connection = await seated("open", OPENS_AT + 500);
    shown(connection);
    await userEvent.keyboard("5e0 x{Control>}a{/Control}");
    expect(answers()).toEqual([]);
    connection.end();
  });

  it("says why when the server refuses", async () => {
    const connection = await seated("open", OPENS_AT + 500);
    const passed: Passing[] = [];
    connection.onPassing((passing) => passed.push(passing));
    shown(connection);
    await userEvent.click(screen.getByRole("button", { name: /^A: one/ }));
    const id = (answers()[0] as { id: number }).id;
    act(() => told(connection, { t: "no", id, code: "too_late" }));
    expect(passed).toMatchObject([{ is: "refused", code: "too_late" }]);
    expect(screen.getByRole("button", { name: /^A: one$/ }).getAttribute("aria-pressed")).toBe("false");
    connection.end();
  });
});
