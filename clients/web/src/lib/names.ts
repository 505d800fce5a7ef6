/** A name and a face to begin with, so that playing takes no typing. */
import { pick, randomBytes, randomText } from "./random";
import { device } from "./storage";

const FIRST = [
  "Brave", "Lucky", "Swift", "Clever", "Mighty", "Sunny", "Cosmic", "Jolly", "Quiet", "Golden",
  "Velvet", "Electric", "Rapid", "Curious", "Gentle", "Bold",
] as const; // prettier-ignore
const LAST = [
  "Otter", "Falcon", "Panda", "Comet", "Badger", "Maple", "Rocket", "Walrus", "Pepper", "Lynx",
  "Penguin", "Mango", "Raven", "Dragon", "Waffle", "Gecko",
] as const; // prettier-ignore

const STORED = "arena.me";

export interface Persona {
  readonly name: string;
  readonly avatar: string;
}

export function newAvatar(): string {
  return `${randomText(5)}:${String((randomBytes(1)[0] ?? 0) % 8)}`;
}

/** Who this device was last, or somebody new. */
export function persona(): Persona {
  try {
    const kept = JSON.parse(device.get(STORED) ?? "null") as Partial<Persona> | null;
    if (typeof kept?.name === "string" && typeof kept.avatar === "string") {
      return { name: kept.name, avatar: kept.avatar };
    }
  } catch {
    // Somebody else wrote there: begin anew.
  }
  const somebody = { name: `${pick(FIRST)} ${pick(LAST)}`, avatar: newAvatar() };
  keepPersona(somebody); // the next page knows the same person
  return somebody;
}

export function keepPersona(who: Persona): void {
  device.set(STORED, JSON.stringify(who));
}
