/** Short, soft sounds made on the spot. Off by one tap, and never the only signal. */
import { device } from "../lib/storage";

export type Sound = "join" | "open" | "tick" | "sent" | "right" | "wrong" | "podium";

const STORED = "arena.sound";
const LOUDNESS = 0.07;

/** Notes of each sound: frequency in Hz, start and length in seconds. */
const NOTES: Record<Sound, readonly (readonly [number, number, number])[]> = {
  join: [[660, 0, 0.09]],
  open: [
    [440, 0, 0.1],
    [660, 0.1, 0.16],
  ],
  tick: [[880, 0, 0.05]],
  sent: [[520, 0, 0.07]],
  right: [
    [660, 0, 0.12],
    [880, 0.1, 0.12],
    [1320, 0.2, 0.26],
  ],
  wrong: [
    [300, 0, 0.16],
    [240, 0.14, 0.26],
  ],
  podium: [
    [523, 0, 0.16],
    [659, 0.15, 0.16],
    [784, 0.3, 0.16],
    [1047, 0.45, 0.5],
  ],
};

let on = device.get(STORED) !== "off";
let audio: AudioContext | null = null;
const listeners = new Set<() => void>();

export const soundOn = (): boolean => on;

export function setSound(next: boolean): void {
  on = next;
  device.set(STORED, next ? "on" : "off");
  for (const listener of listeners) listener();
}

export function onSound(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function play(sound: Sound): void {
  // A browser lets a page sound only after a person has touched it; before that nothing is queued.
  const touched = (navigator as Partial<Navigator>).userActivation?.hasBeenActive ?? true;
  if (!on || !touched || document.visibilityState !== "visible" || typeof AudioContext === "undefined")
    return;
  audio ??= new AudioContext();
  const start = audio.currentTime + 0.01;
  for (const [frequency, at, length] of NOTES[sound]) {
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    tone.type = "triangle";
    tone.frequency.value = frequency;
    gain.gain.setValueAtTime(0, start + at);
    gain.gain.linearRampToValueAtTime(LOUDNESS, start + at + 0.012);
    gain.gain.exponentialRampToValueAtTime(0.0001, start + at + length);
    tone.connect(gain).connect(audio.destination);
    tone.start(start + at);
    tone.stop(start + at + length + 0.02);
  }
}
