import { describe, expect, it } from "vitest";

import type { TriviaView } from "../../protocol/generated";
import { tileState } from "./tiles";

const OPEN: TriviaView = {
  mode: "trivia",
  stage: "open",
  number: 0,
  of: 3,
  until: 9,
  answered: {},
  scores: {},
};
const REVEAL: TriviaView = {
  ...OPEN,
  stage: "reveal",
  reveal: { right: 1, counts: [1, 2], explanation: "", source: "", fastest: null },
};

describe("a tile", () => {
  it.each([
    ["may be pressed", OPEN, null, null, true, "idle"],
    ["is lit while its answer is on its way", OPEN, null, 0, false, "sent"],
    ["is ticked when the server has it", OPEN, 0, null, false, "taken"],
    ["steps back when another was taken", OPEN, 1, null, false, "passed"],
    ["only shows to who may not answer", OPEN, null, null, false, "shown"],
    ["was wrong", REVEAL, 0, null, false, "wrong"],
    ["was not chosen", REVEAL, null, null, false, "missed"],
  ] as const)("%s", (_name, game, answer, sent, may, state) => {
    expect(tileState(0, game, answer, sent, may)).toBe(state);
  });

  it("shows the right one to everybody", () => {
    expect(tileState(1, REVEAL, 0, null, false)).toBe("right");
  });
});
