/** Room codes: six characters, no vowels, nothing that is read for something else. The same as protocol/ids.py. */

export const ROOM_ALPHABET = "BCDFGHJKMNPQRSTVWXZ23456789";
export const CODE_LENGTH = 6;

/** The code a person meant, or null when it cannot be one. Case, blanks and dashes do not matter. */
export function normaliseCode(text: string): string | null {
  const code = text.toUpperCase().replace(/[\s-]/g, "");
  if (code.length !== CODE_LENGTH) return null;
  return Array.from(code).every((character) => ROOM_ALPHABET.includes(character)) ? code : null;
}

/** What stands in the field while a person types: upper case, no blanks; a pasted link gives its code. */
export function typedCode(text: string): string {
  const link = /\/(?:j|r|screen)\/([^/?#\s]+)/i.exec(text);
  return (link?.[1] ?? text)
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, "")
    .slice(0, CODE_LENGTH);
}
