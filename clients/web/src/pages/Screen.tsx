import { Navigate, useParams } from "react-router";

import { gameOf } from "../games/registry";
import { normaliseCode } from "../lib/codes";
import { RoomContext, useMySeat, useRoom, useSession } from "../match/hooks";
import { useText } from "../text";
import { Page } from "../ui/Page";
import { Podium } from "../ui/Podium";
import { Banner } from "./room/Banner";
import { Countdown } from "./room/Countdown";
import { Entering } from "./room/Entering";
import { Lobby } from "./room/Lobby";
import { Standstill } from "./room/Standstill";
import { Stopped } from "./room/Stopped";
import { useConnection } from "./room/useConnection";
import "./room/RoomPage.css";

/** /screen/CODE: the room on a television. Nothing to press, nothing that helps a cheat. */
export function Screen() {
  const { code: typed = "" } = useParams();
  const code = normaliseCode(typed);
  if (code === null) return <Navigate to="/" replace />;
  return <Connected key={code} code={code} />;
}

function Connected({ code }: { readonly code: string }) {
  const t = useText();
  const connection = useConnection(code, "screen", t("screen.name"));
  if (!connection) return <Entering />;
  return (
    <RoomContext value={connection}>
      <Gate code={code} />
    </RoomContext>
  );
}

function Gate({ code }: { readonly code: string }) {
  const stopped = useSession((session) => session.link.is === "stopped");
  const there = useSession((session) => session.held !== null);
  if (stopped) return <Stopped code={code} />;
  if (!there) return <Entering />;
  return <Shown code={code} />;
}

function Shown({ code }: { readonly code: string }) {
  const t = useText();
  const phase = useRoom((room) => room.phase);
  const title = useRoom((room) => room.title);
  return (
    <Page title={title || code} layout="stage" bar={<Banner />}>
      {(phase === "lobby" || phase === "closed") && <Lobby />}
      {phase === "countdown" && <Countdown />}
      {phase === "match" && <Match />}
      {phase === "results" && <Winners />}
      <Standstill />
      <span className="sr-only">{t.code("phase", phase, "phase.lobby")}</span>
    </Page>
  );
}

function Match() {
  const t = useText();
  const mode = useRoom((room) => room.mode);
  const there = useRoom((room) => room.game != null);
  const game = gameOf(mode);
  if (!game || !there) return <p role="status">{t("loading")}</p>;
  return <game.Screen />;
}

function Winners() {
  const t = useText();
  const results = useRoom((room) => room.results ?? null);
  const seat = useMySeat();
  if (!results) return null;
  return (
    <div className="screen-winners">
      <h1>{t(results.abandoned ? "results.abandoned" : "results.title")}</h1>
      <Podium rows={results.rows} mySeat={seat} size="screen" />
    </div>
  );
}
