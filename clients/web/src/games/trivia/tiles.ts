/** What a tile shows. Pure. */
import type { TriviaView } from "../../protocol/generated";
import type { TileState } from "../../ui/AnswerTile";

export function tileState(
  index: number,
  game: TriviaView,
  answer: number | null,
  sent: number | null,
  may: boolean,
): TileState {
  if (game.stage === "reveal") {
    if (game.reveal?.right === index) return "right";
    return answer === index ? "wrong" : "missed";
  }
  if (sent === index) return "sent";
  if (answer === index && sent === null) return "taken";
  if (answer !== null || sent !== null) return "passed";
  return may ? "idle" : "shown";
}
