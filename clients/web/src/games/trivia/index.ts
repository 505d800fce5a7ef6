/** Trivia: a question, up to six tiles, a clock. */
import type { Game } from "../game";
import { Categories } from "./Categories";
import { Miniature } from "./Miniature";
import { Play } from "./Play";
import { TriviaScreen } from "./Screen";

export const trivia: Game = {
  id: "trivia",
  Miniature,
  Play,
  Screen: TriviaScreen,
  summary: (settings, t) =>
    t("trivia.summary", {
      questions: Number(settings["questions"] ?? 0),
      seconds: Number(settings["seconds"] ?? 0),
    }),
  fields: { categories: Categories },
};
