/** The delta algorithm's receiving half: a view and a patch give a new view; untouched parts are shared. */

import type { View } from "./generated";

export interface Patch {
  readonly set?: Readonly<Record<string, unknown>> | undefined;
  readonly unset?: readonly string[] | undefined;
  readonly append?: Readonly<Record<string, readonly unknown[]>> | undefined;
}

/** The patch does not fit the view: ask for a whole one. */
export class PatchError extends Error {
  override name = "PatchError";
}

type Mutable = Record<string, unknown>;

function isMap(value: unknown): value is View {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function segments(path: string): string[] {
  return path.split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** Own properties only: a key such as `__proto__` is a key like any other. */
function put(map: Mutable, key: string, value: unknown): void {
  Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Apply a patch. @throws PatchError */
export function applyPatch(view: View, patch: Patch): View {
  const root: Mutable = { ...view };
  const ours = new Set<unknown>([root]);

  /** The map that holds the last segment, copied once for this patch. */
  const parentOf = (path: string): [Mutable, string] => {
    const parts = segments(path);
    if (parts.includes("")) throw new PatchError(path);
    const last = parts.pop() ?? "";
    let map = root;
    for (const part of parts) {
      let next = Object.hasOwn(map, part) ? map[part] : undefined;
      if (!isMap(next)) throw new PatchError(path);
      if (!ours.has(next)) {
        next = { ...next };
        ours.add(next);
        put(map, part, next);
      }
      map = next as Mutable;
    }
    return [map, last];
  };

  for (const path of patch.unset ?? []) {
    const [map, key] = parentOf(path);
    if (!Object.hasOwn(map, key)) throw new PatchError(path);
    Reflect.deleteProperty(map, key);
  }
  for (const [path, value] of Object.entries(patch.set ?? {})) {
    const [map, key] = parentOf(path);
    put(map, key, value);
  }
  for (const [path, items] of Object.entries(patch.append ?? {})) {
    const [map, key] = parentOf(path);
    const list = Object.hasOwn(map, key) ? map[key] : undefined;
    if (!Array.isArray(list)) throw new PatchError(path);
    put(map, key, [...(list as unknown[]), ...items]);
  }
  return root;
}
