/** What an avatar text means: numbers drawn from its seed, colours from its palette. */

export interface AvatarParts {
  readonly back: string;
  readonly body: string;
  readonly ink: string;
  readonly shape: 0 | 1 | 2 | 3 | 4;
  readonly eyes: 0 | 1 | 2 | 3 | 4 | 5;
  readonly mouth: 0 | 1 | 2 | 3 | 4;
  readonly top: 0 | 1 | 2 | 3 | 4 | 5;
  readonly cheeks: boolean;
  readonly lean: number;
  readonly drop: number;
}

/** Background, body and features of each palette. */
const PALETTES = [
  ["#ffd166", "#ef6f6c", "#2b1b3d"],
  ["#9be7d8", "#2f7f86", "#0c2230"],
  ["#c9b6ff", "#6c4cd6", "#1d1147"],
  ["#ffb3c7", "#d6336c", "#3a0a20"],
  ["#a8d8ff", "#2b6cb0", "#0b1f3a"],
  ["#d7f59b", "#4d8b31", "#14290a"],
  ["#ffc9a3", "#c8582a", "#33130a"],
  ["#f3e6c8", "#5b5fa8", "#191a3d"],
] as const;

export const PALETTE_COUNT = PALETTES.length;

/** FNV-1a: the same face on every device. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  }
  value ^= value >>> 15;
  value = Math.imul(value, 0x2c1b3c6d);
  value ^= value >>> 12;
  return value >>> 0;
}

export function avatarParts(avatar: string): AvatarParts {
  const [seed = "", palette = ""] = avatar.split(":");
  let left = hash(seed);
  const draw = (count: number): number => {
    const value = left % count;
    left = Math.floor(left / count);
    return value;
  };
  const named = Number.parseInt(palette, 10);
  const colours = PALETTES[(Number.isNaN(named) ? hash(avatar) : named) % PALETTES.length] ?? PALETTES[0];
  return {
    back: colours[0],
    body: colours[1],
    ink: colours[2],
    shape: draw(5) as AvatarParts["shape"],
    eyes: draw(6) as AvatarParts["eyes"],
    mouth: draw(5) as AvatarParts["mouth"],
    top: draw(6) as AvatarParts["top"],
    cheeks: draw(3) === 0,
    lean: draw(5) - 2,
    drop: draw(4) - 1,
  };
}
