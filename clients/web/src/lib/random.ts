/** Randomness from the system; works on plain http too. */

export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(count));
}

export function pick<T>(from: readonly [T, ...T[]]): T {
  const [word = 0] = crypto.getRandomValues(new Uint32Array(1));
  return from[word % from.length] ?? from[0];
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

export function randomText(length: number): string {
  return Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join("");
}
