/**
 * Verifiable fairness: what a page can recompute of a match's promises. Pure.
 *
 * SHA-256 is bundled: plain http, as on a LAN, has no `crypto.subtle`. What is hashed is canonical MessagePack: keys
 * sorted, shortest encodings.
 */
import { encode } from "@msgpack/msgpack";
import { sha256 } from "@noble/hashes/sha2.js";

import { fromHex, toHex } from "../lib/hex";
import type { FairnessView } from "../protocol/generated";

/** The part of `GET /api/games/matches/{id}` that the promises are about. */
export interface RecordedMatch {
  readonly mode: string;
  readonly rules_version: number;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly content: readonly unknown[];
  readonly seed: string;
  readonly salt: string;
  readonly commitment: string;
}

/** Null: cannot be said. */
export type Verdict = boolean | null;
export type Check = "secret" | "seen" | "salt" | "content" | "told";

const canonical = (value: unknown): Uint8Array => encode(value, { sortKeys: true });

/** @throws RangeError when the text is not hexadecimal */
export function keptPromise(secretHash: string, secret: string): boolean {
  return toHex(sha256(fromHex(secret))) === secretHash;
}

/** The salt that belongs to a secret, hex. */
export function saltOf(secret: string): string {
  const label = new TextEncoder().encode("svidnet-arena\0salt\0");
  return toHex(sha256(new Uint8Array([...label, ...fromHex(secret)])));
}

/** The promise of questions and settings, hex, as the server has to have made it at the start. */
export function commitmentOf(match: RecordedMatch): string {
  const hashes = match.content.map((item) => sha256(canonical(item)));
  const { mode, rules_version, settings } = match;
  return toHex(
    sha256(canonical([fromHex(match.salt), fromHex(match.seed), hashes, mode, rules_version, settings])),
  );
}

/** Two for a match: an evening of matches. */
const SEEN_MAX = 200;

/** Promises seen on this page while the secret was not told yet. */
export type Seen = ReadonlySet<string>;

export function witnessed(seen: Seen, fairness: FairnessView): Seen {
  if (fairness.secret != null) return seen;
  const fresh = [fairness.secret_hash, fairness.commitment ?? ""].filter(
    (one) => one !== "" && !seen.has(one),
  );
  return fresh.length === 0 ? seen : new Set([...seen, ...fresh].slice(-SEEN_MAX));
}

/** Every check there is; `match` is null while the recorded match is not there. */
export function verdicts(
  fairness: FairnessView,
  seen: Seen,
  match: RecordedMatch | null,
): [Check, Verdict][] {
  const { secret, salt, seed, commitment, secret_hash } = fairness;
  if (secret == null) return [];
  const both = seen.has(secret_hash) && seen.has(commitment ?? "");
  const checks: [Check, Verdict][] = [
    ["secret", keptPromise(secret_hash, secret)],
    ["seen", both ? true : null],
    ["salt", salt == null ? null : saltOf(secret) === salt],
  ];
  if (match) {
    checks.push(["content", commitmentOf(match) === commitment]);
    checks.push(["told", match.salt === salt && match.seed === seed && match.commitment === commitment]);
  }
  return checks;
}
