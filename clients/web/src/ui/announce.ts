/** Two live regions only: polite for score and phase, assertive for "your turn" and a lost connection. */

export type Urgency = "polite" | "assertive";

export interface Announcements {
  readonly polite: string;
  readonly assertive: string;
}

let said: Announcements = { polite: "", assertive: "" };
const listeners = new Set<() => void>();

/** The same text twice in a row is told apart by a character nobody hears. */
export function announce(text: string, urgency: Urgency = "polite"): void {
  said = { ...said, [urgency]: said[urgency] === text ? `${text}\u00a0` : text };
  for (const listener of listeners) listener();
}

export const announcements = (): Announcements => said;

export function onAnnouncement(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
