/** The wire's types, as the rest of the client names them. */
import type { View } from "./delta";

export type { View };

// ---- what a client sends

export interface ResumePoint {
  epoch: number;
  n: number;
}
export interface Hello {
  t: "hello";
  client?: string;
  seat?: number;
  secret?: string;
  at?: ResumePoint;
  nonce?: Uint8Array;
}
export interface ClockAsk {
  t: "clock";
  c: number;
}
export interface ResyncAsk {
  t: "resync";
}
export interface Chat {
  t: "chat";
  text: string;
}
export interface React {
  t: "react";
  emoji: string;
}
export type Command =
  | { t: "room.ready"; id: number; ready: boolean }
  | { t: "room.settings"; id: number; settings: Record<string, unknown>; mode?: string }
  | { t: "room.playing"; id: number; playing: boolean }
  | { t: "room.start"; id: number }
  | { t: "room.cancel"; id: number }
  | { t: "room.lobby"; id: number }
  | { t: "room.end"; id: number }
  | { t: "room.rematch"; id: number }
  | { t: "room.kick"; id: number; seat: number }
  | { t: "room.lock"; id: number; locked: boolean }
  | { t: "room.host"; id: number; seat: number }
  | { t: "room.cohost"; id: number; seat: number; cohost: boolean }
  | { t: "room.pause"; id: number }
  | { t: "room.unpause"; id: number }
  | { t: "room.leave"; id: number }
  | { t: "trivia.answer"; id: number; question: number; option: number; reaction_ms: number }
  | { t: "trivia.next"; id: number };

export type ClientMessage = Hello | ClockAsk | ResyncAsk | Chat | React | Command;

// ---- what the server sends

export interface Welcome {
  t: "welcome";
  room: string;
  role: string;
  audience: string;
  epoch: number;
  n: number;
  clock: number;
  view: View;
  seat?: number | null;
  secret?: string | null;
  next_id?: number | null;
  private?: View | null;
  resumed?: boolean;
}
export interface Resync {
  t: "resync";
  epoch: number;
  n: number;
  clock: number;
  view: View;
  private?: View | null;
}
export interface Delta {
  t: "d";
  e: number;
  f: number;
  n: number;
  c: number;
  s?: Record<string, unknown>;
  u?: string[];
  a?: Record<string, unknown[]>;
}
export interface PrivateDelta {
  t: "p";
  e: number;
  n: number;
  s?: Record<string, unknown>;
  u?: string[];
}
export interface Ack {
  t: "ack";
  ids: number[];
}
export interface Refused {
  t: "no";
  id: number;
  code: string;
  detail?: string;
}
export interface ClockTell {
  t: "clock";
  c: number;
  s: number;
  e: number;
}
export interface ChatLine {
  t: "chat";
  seat: number;
  name: string;
  text: string;
}
export interface Reactions {
  t: "react";
  counts: Record<string, number>;
}
export interface Notice {
  t: "notice";
  code: string;
  text?: string;
}
export interface Farewell {
  t: "bye";
  code: number;
  reason?: string;
  after_ms?: number;
}
export interface LobbyRooms {
  t: "lobby.rooms";
  rooms: Record<string, unknown>[];
}
export type ServerMessage =
  | Welcome
  | Resync
  | Delta
  | PrivateDelta
  | Ack
  | Refused
  | ClockTell
  | ChatLine
  | Reactions
  | Notice
  | Farewell
  | LobbyRooms;

// ---- views

export type Phase = "lobby" | "countdown" | "match" | "results" | "closed";
export interface ClockView {
  offset: number;
  stopped: number | null;
}
export interface SeatView {
  name: string;
  avatar: string;
  kind: string;
  role: string;
  playing: boolean;
  here: boolean;
  ready: boolean;
}
export interface StandstillView {
  kind: "paused" | "regrouping" | "count_in";
  awaited: Record<string, boolean>;
  until: number | null;
}
export interface FairnessView {
  secret_hash: string;
  commitment?: string | null;
  seed?: string | null;
  secret?: string | null;
  salt?: string | null;
}
export interface PodiumRow {
  seat: number;
  name: string;
  avatar: string;
  rank: number;
  score: number;
  correct: number;
  answered: number;
}
export interface ResultsView {
  match: string;
  abandoned: boolean;
  rated: boolean;
  rows: PodiumRow[];
}
export interface RoomView {
  code: string;
  title: string;
  phase: Phase;
  mode: string;
  settings: Record<string, unknown>;
  public: boolean;
  locked: boolean;
  host: number | null;
  seats: Record<string, SeatView>;
  clock: ClockView;
  number: number;
  fairness: FairnessView;
  until?: number | null;
  waiting_for?: string | null;
  standstill?: StandstillView | null;
  game?: Record<string, unknown> | null;
  results?: ResultsView | null;
}
export interface TriviaQuestionView {
  category: string;
  difficulty: string;
  kind: string;
  opens_at: number;
  closes_at: number;
  text?: string | null;
  options?: string[] | null;
}
export interface TriviaRevealView {
  right: number;
  counts: number[];
  explanation: string;
  source: string;
  fastest: number | null;
}
export interface TriviaScore {
  score: number;
  rank: number;
  moved: number;
  gained: number;
  streak: number;
}
export interface TriviaView {
  mode: string;
  stage: string;
  number: number;
  of: number;
  until: number;
  answered: Record<string, boolean>;
  scores: Record<string, TriviaScore>;
  question?: TriviaQuestionView | null;
  reveal?: TriviaRevealView | null;
}
export interface TriviaPrivate {
  answer?: number | null;
  closes_at?: number | null;
  correct?: boolean | null;
  points?: number | null;
}
