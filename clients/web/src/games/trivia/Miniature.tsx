import { ANSWERS, Shape } from "../../ui/Shape";
import "./trivia.css";

/** A question and its four tiles, drawn small. */
export function Miniature() {
  return (
    <span className="trivia-mini" aria-hidden="true">
      <span className="trivia-mini-line" />
      <span className="trivia-mini-tiles">
        {ANSWERS.slice(0, 4).map(({ colour }) => (
          <span key={colour} className={`trivia-mini-tile tile-${colour}`}>
            <Shape colour={colour} size="1em" />
          </span>
        ))}
      </span>
    </span>
  );
}
