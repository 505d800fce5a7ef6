import { describe, expect, it } from "vitest";

import { ErrorCode } from "../protocol/generated";
import { de } from "./de";
import { en } from "./en";
import { makeTranslator } from ".";

const holes = (message: unknown): string[] =>
  [...JSON.stringify(message).matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? "").sort();

describe("words", () => {
  it("chooses by number", () => {
    const t = makeTranslator("en");
    expect(t("players", { n: 1 })).toBe("one player");
    expect(t("players", { n: 1234 })).toBe("1,234 players");
  });

  it("has everything in German", () => {
    expect(Object.keys(de).sort()).toEqual(Object.keys(en).sort());
  });

  it("says a number's word in each language", () => {
    expect(makeTranslator("de")("players", { n: 1 })).toBe("eine Person");
    expect(makeTranslator("de")("points", { n: 1234 })).toBe("1.234 Punkte");
  });

  it.each(Object.values(ErrorCode))("has words for the refusal %s", (code) => {
    expect(en).toHaveProperty([`refused.${code}`]);
  });

  it.each(Object.entries(de))("German %s has the holes of the English one", (key, message) => {
    const english = holes(en[key as keyof typeof en]);
    expect(new Set(holes(message))).toEqual(new Set(english));
  });
});
