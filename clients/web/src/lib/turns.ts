/** One tab at a time. The browser's locks exist only on https and localhost, so elsewhere a lease in storage. */
import { randomText } from "./random";
import { device } from "./storage";

const LEASE_MS = 12_000;
const SETTLE_MS = 25;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

export async function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
  // Typed as always there, but only in a secure context.
  const locks = navigator.locks as LockManager | undefined;
  if (locks) return locks.request(name, work);
  const key = `${name}.turn`;
  const me = randomText(12);
  await take(key, me);
  try {
    return await work();
  } finally {
    if (device.get(key)?.startsWith(me)) device.remove(key);
  }
}

async function take(key: string, me: string): Promise<void> {
  const giveUp = Date.now() + 2 * LEASE_MS;
  while (Date.now() < giveUp) {
    const [, until = "0"] = device.get(key)?.split(" ") ?? [];
    if (Number(until) < Date.now()) {
      device.set(key, `${me} ${Date.now() + LEASE_MS}`);
      await pause(SETTLE_MS);
      // Storage that keeps nothing cannot be shared by tabs either.
      const now = device.get(key);
      if (now === null || now.startsWith(me)) return;
    }
    await pause(SETTLE_MS * 2 * (1 + Math.random()));
  }
}
