import { describe, expect, it } from "vitest";

import { CloseCode, type ServerMessage } from "../protocol/generated";
import { step } from "./session";
import { newSession, type Effect, type Input, type Session } from "./state";

const VIEW = { code: "BCDF23", phase: "lobby", seats: {}, clock: { offset: 0, stopped: null } };

function run(inputs: readonly Input[], from = newSession("BCDF23", "player", null)): [Session, Effect[]] {
  let session = from;
  const effects: Effect[] = [];
  inputs.forEach((input, index) => {
    const [next, done] = step(session, input, index * 10, 0.5);
    session = next;
    effects.push(...done);
  });
  return [session, effects];
}

function message(fields: Record<string, unknown>): Input {
  return { is: "message", message: fields as unknown as ServerMessage };
}

const welcome = (more: Record<string, unknown> = {}): Input =>
  message({
    t: "welcome",
    room: "BCDF23",
    role: "player",
    audience: "players",
    epoch: 1,
    n: 3,
    clock: 100,
    view: VIEW,
    seat: 2,
    secret: "s".repeat(43),
    next_id: 1024,
    ...more,
  });

const SEATED: readonly Input[] = [
  { is: "begin" },
  { is: "ticket", ticket: "t" },
  { is: "opened" },
  welcome(),
];

describe("the session machine", () => {
  it("asks for a ticket, opens, greets and holds the view", () => {
    const [session, effects] = run(SEATED);
    expect(effects.map((one) => one.do)).toEqual(expect.arrayContaining(["ticket", "open", "send"]));
    expect(session.held?.seat).toBe(2);
    expect(session.link.is).toBe("live");
  });

  it("keeps an unanswered command through a lost line and sends it again under its id", () => {
    const [lost] = run([
      ...SEATED,
      { is: "wish", wish: { t: "room.ready", ready: true } },
      { is: "closed", code: 1006, reason: "" },
    ]);
    expect(lost.commands.pending.map((one) => one.id)).toEqual([1024]);
    const [, effects] = run(
      [{ is: "again" }, { is: "opened" }, welcome({ next_id: 2048, secret: null, resumed: true, view: {} })],
      lost,
    );
    const sent = effects.flatMap((one) => (one.do === "send" ? [one.message] : []));
    expect(sent).toContainEqual({ t: "room.ready", id: 1024, ready: true });
  });

  it("applies a delta that fits and asks for a resync after one that does not", () => {
    const fits = message({ t: "d", e: 1, f: 3, n: 4, c: 150, s: { phase: "countdown" } });
    const [after] = run([...SEATED, fits]);
    expect(after.held?.room.phase).toBe("countdown");
    const [, effects] = run([
      ...SEATED,
      message({ t: "d", e: 1, f: 9, n: 10, c: 150, s: { phase: "match" } }),
    ]);
    expect(effects).toContainEqual({ do: "send", message: { t: "resync" } });
  });

  it("forgets an acknowledged command", () => {
    const [session] = run([
      ...SEATED,
      { is: "wish", wish: { t: "room.ready", ready: true } },
      message({ t: "ack", ids: [1024] }),
    ]);
    expect(session.commands.pending).toEqual([]);
  });

  for (const code of [CloseCode.KICKED, CloseCode.REPLACED, CloseCode.ROOM_CLOSED]) {
    it(`stops after ${String(code)}`, () => {
      const [session] = run([...SEATED, { is: "closed", code, reason: "" }]);
      expect(session.link.is).toBe("stopped");
    });
  }

  for (const code of [CloseCode.MOVED, CloseCode.SERVICE_RESTART, 1006]) {
    it(`comes back by itself after ${String(code)}`, () => {
      const [session] = run([...SEATED, { is: "closed", code, reason: "" }]);
      expect(session.link.is).toBe("waiting");
    });
  }
});
