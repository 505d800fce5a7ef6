/** Words: one catalogue per language, plural rules and numbers by `Intl`. */
import { useSyncExternalStore } from "react";

import { device } from "../lib/storage";
import { de } from "./de";
import { en, type Catalogue, type Key, type Message } from "./en";

export type { Key };

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const CATALOGUES: Record<Language, Partial<Catalogue>> = { en, de };
const STORED = "arena.language";

export type Values = Readonly<Record<string, string | number>>;

export interface Translator {
  (key: Key, values?: Values): string;
  readonly language: Language;
  /** A number as people write it. */
  number(value: number): string;
  list(items: readonly string[]): string;
  /** The text of a code told by the server, or of `otherwise` when the catalogue has none. */
  code(family: string, code: string, otherwise: Key): string;
}

function isLanguage(text: string | null | undefined): text is Language {
  return text != null && Object.hasOwn(LANGUAGES, text);
}

export function makeTranslator(language: Language): Translator {
  const plural = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  const lists = new Intl.ListFormat(language, { type: "conjunction" });
  const fill = (message: Message, values: Values): string => {
    const text =
      typeof message === "string"
        ? message
        : plural.select(Number(values["n"] ?? 0)) === "one"
          ? message.one
          : message.other;
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return typeof value === "number" ? numbers.format(value) : value;
    });
  };
  const find = (key: string): Message | undefined =>
    CATALOGUES[language][key as Key] ?? (en as Partial<Record<string, Message>>)[key];
  const t = (key: Key, values: Values = {}): string => fill(find(key) ?? key, values);
  return Object.assign(t, {
    language,
    number: (value: number) => numbers.format(value),
    list: (items: readonly string[]) => lists.format(items),
    code: (family: string, code: string, otherwise: Key) => {
      const message = find(`${family}.${code}`);
      return message === undefined ? t(otherwise) : fill(message, {});
    },
  });
}

function firstLanguage(): Language {
  const stored = device.get(STORED);
  if (isLanguage(stored)) return stored;
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2)).find(isLanguage);
  return wanted ?? "en";
}

let current: Translator | null = null;
const listeners = new Set<() => void>();

function translator(): Translator {
  current ??= makeTranslator(firstLanguage());
  return current;
}

export function setLanguage(language: Language): void {
  device.set(STORED, language);
  current = makeTranslator(language);
  document.documentElement.lang = language;
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function useText(): Translator {
  return useSyncExternalStore(subscribe, translator);
}
