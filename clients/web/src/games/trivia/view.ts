/** Reading the trivia view. */
import { useMine, useRoom } from "../../match/hooks";
import type { RoomView, TriviaPrivate, TriviaScore, TriviaView } from "../../protocol/generated";

export function useTrivia<T>(select: (game: TriviaView) => T): T {
  return useRoom((room) => select(room.game as unknown as TriviaView));
}

export function useTriviaMine(): TriviaPrivate | null {
  return useMine();
}

export interface Standing extends TriviaScore {
  readonly seat: number;
  readonly name: string;
  readonly avatar: string;
  readonly here: boolean;
}

/** The scores with their people, best first. */
export function standings(scores: TriviaView["scores"], seats: RoomView["seats"]): Standing[] {
  return Object.entries(scores)
    .map(([seat, score]) => ({
      ...score,
      seat: Number(seat),
      name: seats[seat]?.name ?? "–",
      avatar: seats[seat]?.avatar ?? seat,
      here: seats[seat]?.here ?? false,
    }))
    .sort((a, b) => a.rank - b.rank || a.seat - b.seat);
}
