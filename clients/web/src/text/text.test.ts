import { describe, expect, it } from "vitest";

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

  it("falls back to English where a language lacks a text", () => {
    expect(makeTranslator("de")("fair.promise")).toBe("Promise");
  });

  it.each(Object.entries(de))("German %s has the holes of the English one", (key, message) => {
    const english = holes(en[key as keyof typeof en]);
    expect(new Set(holes(message))).toEqual(new Set(english));
  });
});
