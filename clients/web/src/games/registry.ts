/** Every game by its mode's id: one line each. */
import type { Game } from "./game";
import { trivia } from "./trivia";

const GAMES: readonly Game[] = [trivia];

export function gameOf(mode: string): Game | undefined {
  return GAMES.find((game) => game.id === mode);
}
