/** Storage that never throws: private windows and full disks lose memory, not the game. */

export interface Storage {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
  keys(): string[];
}

function safe(pick: () => globalThis.Storage): Storage {
  const attempt = <T>(work: (storage: globalThis.Storage) => T, otherwise: T): T => {
    try {
      return work(pick());
    } catch {
      return otherwise;
    }
  };
  return {
    get: (key) => attempt((storage) => storage.getItem(key), null),
    set: (key, value) => attempt((storage) => storage.setItem(key, value), undefined),
    remove: (key) => attempt((storage) => storage.removeItem(key), undefined),
    keys: () => attempt((storage) => Object.keys(storage), []),
  };
}

/** Kept on this device, shared by its tabs. */
export const device: Storage = safe(() => localStorage);
/** Kept in this tab, over reloads. */
export const tab: Storage = safe(() => sessionStorage);
