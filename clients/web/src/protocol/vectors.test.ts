/** The golden vectors, as pytest reads them: the two implementations cannot drift apart. */
import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { fromHex, toHex } from "../lib/hex";
import { normaliseCode } from "../lib/codes";
import { decodeServer, encodeClient } from "./codec";
import { applyPatch, type Patch } from "./delta";
import type { ClientMessage } from "./generated";

function vectors<T>(name: string): T[] {
  return JSON.parse(
    readFileSync(new URL(`../../../../protocol/vectors/${name}.json`, import.meta.url), "utf8"),
  ) as T[];
}

interface MessageVector {
  readonly name: string;
  readonly message: Record<string, unknown>;
  readonly msgpack: string;
}

/** Vectors name absent fields as null; the wire leaves them out. */
function told(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(told);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, told(one)]));
}

describe("messages of the server", () => {
  for (const { name, message, msgpack } of vectors<MessageVector>("server")) {
    it(`decodes ${name}`, () => {
      const decoded = decodeServer(fromHex(msgpack)) as unknown as Record<string, unknown>;
      expect(message).toMatchObject(told(decoded) as Record<string, unknown>);
    });
  }
});

describe("messages of the client", () => {
  for (const { name, message, msgpack } of vectors<MessageVector>("client")) {
    it(`encodes ${name}`, () => {
      const fields = Object.entries(message).filter(([, value]) => value !== null && value !== "");
      const plain = Object.fromEntries(fields);
      if (typeof plain["nonce"] === "string") {
        plain["nonce"] = Uint8Array.from(atob(plain["nonce"]), (one) => one.charCodeAt(0));
      }
      expect(toHex(encodeClient(plain as unknown as ClientMessage))).toBe(msgpack);
    });
  }
});

describe("deltas", () => {
  interface DeltaVector {
    readonly name: string;
    readonly old: Record<string, unknown>;
    readonly new: Record<string, unknown>;
    readonly patch: Patch;
  }
  for (const vector of vectors<DeltaVector>("delta")) {
    it(`applies: ${vector.name}`, () => {
      expect(applyPatch(vector.old, vector.patch)).toEqual(vector.new);
    });
  }
});

describe("room codes", () => {
  for (const { typed, code } of vectors<{ typed: string; code: string | null }>("room_codes")) {
    it(`reads ${JSON.stringify(typed)}`, () => {
      expect(normaliseCode(typed)).toBe(code);
    });
  }
});
