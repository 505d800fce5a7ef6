/** Short messages that go by themselves. At most three at a time: the oldest makes room. */

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: "plain" | "trouble";
}

const SHOWN_MS = 4_500;
const TOASTS_MAX = 3;

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function toast(text: string, tone: Toast["tone"] = "plain"): void {
  const id = ++last;
  set([...toasts.filter((one) => one.text !== text), { id, text, tone }].slice(-TOASTS_MAX));
  setTimeout(() => dismiss(id), SHOWN_MS);
}

export function dismiss(id: number): void {
  if (toasts.some((one) => one.id === id)) set(toasts.filter((one) => one.id !== id));
}

export const currentToasts = (): readonly Toast[] => toasts;

export function onToast(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
