import { describe, expect, it } from "vitest";

import type { FairnessView } from "../protocol/generated";
import { commitmentOf, verdicts, witnessed } from "./fairness";

// Made by the server's own gameserver/games/fairness.py from the secret 00 01 … 1f.
const FAIRNESS: FairnessView = {
  secret: Array.from({ length: 32 }, (_, index) => index.toString(16).padStart(2, "0")).join(""),
  secret_hash: "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd",
  salt: "cb3168117466878d3ec3bc57b771740344182a6b66dcf0b3c69edc302ece22ed",
  seed: "6e4950467502a25ad0b8dd1cf4e039abac298d6650e7a74d18325d00ecfd4bce",
  commitment: "fb7bd1ff70af2ac4400fcac9e21f3427ea39fd992e8587725be7ccde0eb45187",
};
const MATCH = {
  mode: "trivia",
  rules_version: 1,
  settings: { seconds: 20, questions: 300, categories: ["a", "b"], streaks: false },
  content: [
    {
      id: "q1",
      text: "Wer schrieb „Faust“?",
      options: ["Goethe", "Schiller"],
      right: 0,
      n: 70_000,
      none: null,
      b: true,
    },
  ],
  seed: FAIRNESS.seed ?? "",
  salt: FAIRNESS.salt ?? "",
  commitment: FAIRNESS.commitment ?? "",
};
const { secret, ...before } = FAIRNESS;
const SEEN = witnessed(new Set(), before);

describe("fairness", () => {
  it("recomputes the server's commitment", () => {
    expect(commitmentOf(MATCH)).toBe(FAIRNESS.commitment);
  });

  it("holds for a match that kept its promises", () => {
    const all = verdicts(FAIRNESS, SEEN, MATCH);
    expect(all.map(([check]) => check)).toEqual(["secret", "seen", "salt", "content", "told"]);
    expect(all.every(([, verdict]) => verdict === true)).toBe(true);
  });

  it.each([
    ["secret", { ...FAIRNESS, secret: `ff${(secret ?? "").slice(2)}` }, MATCH],
    ["salt", { ...FAIRNESS, salt: FAIRNESS.seed ?? null }, MATCH],
    ["content", FAIRNESS, { ...MATCH, settings: { ...MATCH.settings, seconds: 21 } }],
    ["content", FAIRNESS, { ...MATCH, content: [{ ...MATCH.content[0], right: 1 }] }],
    ["told", FAIRNESS, { ...MATCH, seed: MATCH.salt }],
  ] as const)("finds a broken %s", (check, fairness, match) => {
    expect(new Map(verdicts(fairness, SEEN, match)).get(check)).toBe(false);
  });

  it("vouches for no promise that it learnt together with the secret", () => {
    const late = witnessed(new Set(), FAIRNESS);
    expect(new Map(verdicts(FAIRNESS, late, null)).get("seen")).toBeNull();
    expect(new Map(verdicts(FAIRNESS, late, null)).has("content")).toBe(false);
  });
});
