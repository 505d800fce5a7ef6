/** Where people go to join. */

export const joinLink = (code: string): string => `${location.origin}/j/${code}`;

/** The address to read aloud. */
export const joinPlace = (): string => location.host;

/** This address works on this machine only: phones cannot follow it. */
export const onlyHere = (): boolean => /^(localhost|127\.|\[::1\])/.test(location.hostname);
