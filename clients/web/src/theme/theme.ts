/** Dark, light, or as the system says. `public/theme.js` applies the stored choice before the first paint. */
import { device } from "../lib/storage";

export type Theme = "dark" | "light";

const STORED = "arena.theme";
const listeners = new Set<() => void>();
const systemLight = (): boolean => matchMedia("(prefers-color-scheme: light)").matches;

export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  if (chosen === "dark" || chosen === "light") return chosen;
  return systemLight() ? "light" : "dark";
}

export function setTheme(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
  device.set(STORED, theme);
  for (const listener of listeners) listener();
}

export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  const system = matchMedia("(prefers-color-scheme: light)");
  system.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    system.removeEventListener("change", listener);
  };
}
