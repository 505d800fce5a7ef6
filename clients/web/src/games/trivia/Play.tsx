import { useEffect, useRef, useState } from "react";

import {
  useAsk,
  useMayHost,
  useMySeat,
  useOnItsWay,
  useReached,
  useRoom,
  useRoomConnection,
} from "../../match/hooks";
import type { TriviaPrivate, TriviaView } from "../../protocol/generated";
import { useText, type Translator } from "../../text";
import { announce } from "../../ui/announce";
import { AnswerTile, type TileState } from "../../ui/AnswerTile";
import { Button } from "../../ui/Button";
import { play } from "../../ui/sound";
import { QuestionClock } from "./QuestionClock";
import { Scoreboard } from "./Scoreboard";
import { tileState } from "./tiles";
import { useTrivia, useTriviaMine } from "./view";
import "./trivia.css";

const KEYS = ["a", "b", "c", "d", "e", "f"];
/** Letters and digits typed here mean something else. */
const NOT_FOR_TILES = "input, textarea, select, [role=dialog], [role=menu]";
const BOARD_MOST = 8;

/** The match for a seat: the question on top, the tiles under the thumbs. */
export function Play() {
  const stage = useTrivia((game) => game.stage);
  return (
    <div className="trivia" data-stage={stage}>
      <Head />
      {stage === "scores" || stage === "over" ? <Scoreboard most={BOARD_MOST} /> : <Question />}
      <Foot />
    </div>
  );
}

function Head() {
  const t = useText();
  const number = useTrivia((game) => game.number);
  const of = useTrivia((game) => game.of);
  const stage = useTrivia((game) => game.stage);
  const question = useTrivia((game) => game.question ?? null);
  const ticking = question && (stage === "ready" || stage === "open" || stage === "closing");
  return (
    <header className="trivia-head">
      <p className="trivia-where">
        <b>{t("trivia.question", { number: number + 1, of })}</b>
        {question && (
          <span className="muted">
            {question.category} ·{" "}
            {t.code("trivia.difficulty", question.difficulty, "trivia.difficulty.medium")}
          </span>
        )}
      </p>
      {ticking && stage !== "ready" && (
        <QuestionClock opensAt={question.opens_at} closesAt={question.closes_at} spoken />
      )}
    </header>
  );
}

function Question() {
  const t = useText();
  const game = useTrivia((whole) => whole);
  const mine = useTriviaMine();
  const opened = useReached(game.question?.opens_at ?? null);
  const options = game.question?.options ?? null;
  const covered = useRoom((room) => room.standstill != null);
  const shown = options !== null && (opened || game.stage === "reveal") && !covered;
  const { answer, early } = useAnswer(game, mine, shown);
  const text = game.question?.text ?? "";
  const asked = shown && (game.stage === "ready" || game.stage === "open");
  useEffect(() => {
    if (!asked) return;
    play("open");
    announce(text, "assertive");
  }, [asked, text]);
  useVerdict(game, mine, t);
  const taken = game.stage === "open" && mine?.answer != null;
  useEffect(() => {
    if (taken) announce(t("trivia.sent"));
  }, [taken, t]);
  if (!shown) {
    return (
      <div className="trivia-ready" role="status">
        <p className="trivia-ready-word">{t("trivia.ready")}</p>
        <p className="muted">{game.question?.category}</p>
      </div>
    );
  }
  return (
    <>
      <h1 className="trivia-text">{text}</h1>
      {game.stage === "reveal" && <Verdict game={game} mine={mine} />}
      <div className="trivia-tiles" data-count={options.length}>
        {options.map((option, index) => (
          <Tile
            key={option}
            index={index}
            option={option}
            game={game}
            mine={mine}
            early={early}
            answer={answer}
          />
        ))}
      </div>
    </>
  );
}

/** What was pressed after the question opened by our clock, before the server's word that it did came. */
interface Early {
  readonly question: number;
  readonly option: number;
  readonly reaction_ms: number;
}

interface Answering {
  /** Null when this seat cannot answer now. */
  readonly answer: ((option: number) => void) | null;
  /** The option that waits for the server's word. */
  readonly early: number | null;
}

/** How to answer now. Keys answer too. No press is lost: one before the server's word goes out with that word. */
function useAnswer(game: TriviaView, mine: TriviaPrivate | null, shown: boolean): Answering {
  const connection = useRoomConnection();
  const ask = useAsk();
  const seat = useMySeat();
  const playing = useRoom((room) => seat !== null && room.seats[seat]?.playing === true);
  const changing = useRoom(
    (room) => (room.settings as unknown as Record<string, unknown>)["change_answers"] === true,
  );
  const onItsWay = useOnItsWay("trivia.answer");
  const [held, setHeld] = useState<Early | null>(null);
  const { number, stage } = game;
  const early = held?.question === number && stage === "ready" ? held.option : null;
  const taken = mine?.answer != null || onItsWay?.question === number || early !== null;
  const may = shown && playing && (stage === "ready" || stage === "open") && (!taken || changing);
  const opensAt = game.question?.opens_at ?? 0;
  const count = game.question?.options?.length ?? 0;
  const answer = (option: number): void => {
    const now = connection.roomNow() ?? opensAt;
    const fields = { question: number, option, reaction_ms: Math.max(0, Math.round(now - opensAt)) };
    play("sent");
    // On a broken line it goes out at the return: the question is open by then.
    if (stage === "ready" && connection.session.link.is === "live") setHeld(fields);
    else ask({ t: "trivia.answer", ...fields });
  };
  const released = useRef<Early | null>(null);
  useEffect(() => {
    if (stage !== "open" || held?.question !== number || released.current === held) return;
    released.current = held;
    ask({ t: "trivia.answer", ...held });
  }, [stage, number, held, ask]);
  useEffect(() => {
    if (!may) return;
    const pressed = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (event.target instanceof Element && event.target.closest(NOT_FOR_TILES)) return;
      const byLetter = KEYS.indexOf(event.key.toLowerCase());
      const option = byLetter >= 0 ? byLetter : Number(event.key) - 1;
      if (Number.isInteger(option) && option >= 0 && option < count) answer(option);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
  return { answer: may ? answer : null, early };
}

interface TileProps {
  readonly index: number;
  readonly option: string;
  readonly game: TriviaView;
  readonly mine: TriviaPrivate | null;
  readonly early: number | null;
  readonly answer: ((option: number) => void) | null;
}

function Tile({ index, option, game, mine, early, answer }: TileProps) {
  const t = useText();
  const onItsWay = useOnItsWay("trivia.answer");
  const sent = onItsWay?.question === game.number ? onItsWay.option : early;
  const own = mine?.answer ?? null;
  const state = tileState(index, game, own, sent, answer !== null);
  const reveal = game.stage === "reveal" ? (game.reveal ?? null) : null;
  const all = reveal ? reveal.counts.reduce((sum, one) => sum + one, 0) : 0;
  const chose = reveal?.counts[index] ?? 0;
  return (
    <AnswerTile
      index={index}
      text={option}
      state={state}
      status={statusOf(state, own === index, t, reveal ? chose : null)}
      count={reveal ? { label: t.number(chose), share: all > 0 ? chose / all : 0 } : undefined}
      onPress={reveal ? undefined : () => answer?.(index)}
      disabled={answer === null}
    />
  );
}

function statusOf(state: TileState, own: boolean, t: Translator, chose: number | null): string | undefined {
  const words: string[] = [];
  if (state === "sent") words.push(t("trivia.tile.sent"));
  if (state === "taken") words.push(t("trivia.tile.taken"));
  if (state === "right") words.push(t("trivia.tile.right"));
  if (state === "right" && own) words.push(t("trivia.tile.taken"));
  if (state === "wrong") words.push(t("trivia.tile.wrong"));
  if (chose !== null) words.push(t("trivia.chose", { n: chose }));
  return words.length > 0 ? words.join(", ") : undefined;
}

/** Says and sounds the outcome once, when the reveal comes. */
function useVerdict(game: TriviaView, mine: TriviaPrivate | null, t: Translator): void {
  const revealed = game.stage === "reveal";
  const right = game.reveal == null ? "" : (game.question?.options?.[game.reveal.right] ?? "");
  const correct = mine?.correct ?? null;
  useEffect(() => {
    if (!revealed) return;
    if (correct !== null) play(correct ? "right" : "wrong");
    const verdict = correct === null ? "" : t(correct ? "trivia.right" : "trivia.wrong");
    announce(`${verdict} ${t("trivia.tile.right")}: ${right}`);
  }, [revealed, correct, right, t]);
}

function Verdict({ game, mine }: { readonly game: TriviaView; readonly mine: TriviaPrivate | null }) {
  const t = useText();
  const seat = useMySeat();
  const score = seat === null ? undefined : game.scores[seat];
  const words =
    seat === null || score === undefined
      ? t("trivia.watching")
      : mine?.correct === true
        ? t("trivia.right")
        : mine?.answer == null
          ? t("trivia.none")
          : t("trivia.wrong");
  return (
    <div className={`trivia-verdict trivia-verdict-${mine?.correct === true ? "good" : "plain"}`}>
      <p>
        <b>{words}</b>
        {score && score.gained > 0 && (
          <span className="figures"> {t("trivia.gained", { n: score.gained })}</span>
        )}
        {score && score.streak > 1 && (
          <span className="muted"> · {t("trivia.streak", { n: score.streak })}</span>
        )}
      </p>
      {game.reveal?.explanation && <p className="trivia-why">{game.reveal.explanation}</p>}
    </div>
  );
}

function Foot() {
  const t = useText();
  const seat = useMySeat();
  const ask = useAsk();
  const mayHost = useMayHost();
  const stage = useTrivia((game) => game.stage);
  const answered = useTrivia((game) => Object.keys(game.answered).length);
  const score = useTrivia((game) => (seat === null ? undefined : game.scores[seat]));
  const options = useTrivia((game) => game.question?.options?.length ?? 0);
  const mine = useTriviaMine();
  const running = stage === "open" || stage === "closing";
  return (
    <footer className="trivia-foot">
      {score && (
        <p className="trivia-mine">
          <b className="figures">{t("points", { n: score.score })}</b>
          <span className="muted">{t("trivia.rank", { rank: score.rank })}</span>
        </p>
      )}
      <p className="muted trivia-state">
        {stage === "closing" && t("trivia.closing")}
        {stage === "open" &&
          (mine?.answer != null ? t("trivia.sent") : t("trivia.answered", { n: answered }))}
        {stage === "open" && mine?.answer == null && seat !== null && (
          <span className="trivia-keys">
            {t("trivia.keys", { n: options, last: KEYS[options - 1]?.toUpperCase() ?? "" })}
          </span>
        )}
      </p>
      {mayHost && !running && stage !== "ready" && stage !== "over" && (
        <Button kind="primary" onClick={() => ask({ t: "trivia.next" })}>
          {t("trivia.next")}
        </Button>
      )}
    </footer>
  );
}
