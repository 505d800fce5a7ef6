import { useReached, useRoom } from "../../match/hooks";
import { useText } from "../../text";
import { AnswerTile } from "../../ui/AnswerTile";
import { QuestionClock } from "./QuestionClock";
import { Scoreboard } from "./Scoreboard";
import { useTrivia } from "./view";
import "./trivia.css";

const TOP = 5;

/** The match for the back row: question, clock, how many have answered, then bars and the top five. */
export function TriviaScreen() {
  const t = useText();
  const game = useTrivia((whole) => whole);
  const playing = useRoom(
    (room) => Object.values(room.seats).filter((seat) => seat.playing && seat.here).length,
  );
  const opened = useReached(game.question?.opens_at ?? null);
  const covered = useRoom((room) => room.standstill != null);
  const { question, reveal, stage } = game;
  if (stage === "scores" || stage === "over") {
    return (
      <div className="trivia trivia-screen">
        <Scoreboard most={TOP} />
      </div>
    );
  }
  const options = question?.options ?? [];
  const shown = options.length > 0 && (opened || stage === "reveal") && !covered;
  const all = reveal ? reveal.counts.reduce((sum, one) => sum + one, 0) : 0;
  return (
    <div className="trivia trivia-screen">
      <header className="trivia-head">
        <p className="trivia-where">
          <b>{t("trivia.question", { number: game.number + 1, of: game.of })}</b>
          <span className="muted">{question?.category}</span>
        </p>
        {question && (stage === "open" || stage === "closing") && (
          <QuestionClock opensAt={question.opens_at} closesAt={question.closes_at} size="screen" />
        )}
      </header>
      {shown ? (
        <>
          <h1 className="trivia-text">{question?.text}</h1>
          <div className="trivia-tiles" data-count={options.length}>
            {options.map((option, index) => {
              const chose = reveal?.counts[index] ?? 0;
              return (
                <AnswerTile
                  key={option}
                  index={index}
                  text={option}
                  state={reveal ? (reveal.right === index ? "right" : "missed") : "shown"}
                  count={reveal ? { label: t.number(chose), share: all > 0 ? chose / all : 0 } : undefined}
                />
              );
            })}
          </div>
          {reveal?.explanation && <p className="trivia-why">{reveal.explanation}</p>}
        </>
      ) : (
        <p className="trivia-ready-word">{t("trivia.ready")}</p>
      )}
      <footer className="trivia-foot">
        <p className="trivia-count figures">
          {t("trivia.answeredOf", { n: Object.keys(game.answered).length, of: playing })}
        </p>
      </footer>
    </div>
  );
}
