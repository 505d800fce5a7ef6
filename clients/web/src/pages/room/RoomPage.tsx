import { Navigate, useParams, useSearchParams } from "react-router";

import { useIdentity } from "../../api/hooks";
import { normaliseCode } from "../../lib/codes";
import { RoomContext, useRoom, useSession } from "../../match/hooks";
import { useText } from "../../text";
import { Page } from "../../ui/Page";
import { Banner } from "./Banner";
import { Countdown } from "./Countdown";
import { Entering } from "./Entering";
import { useWitness } from "./Fairness";
import { Lobby } from "./Lobby";
import { MatchView } from "./MatchView";
import { Results } from "./Results";
import { RoomBar } from "./RoomBar";
import { Standstill } from "./Standstill";
import { Stopped } from "./Stopped";
import { seats, useConnection } from "./useConnection";
import { usePassingWords } from "./usePassingWords";
import "./RoomPage.css";

/** /r/CODE: a seat in a room, from the lobby to the podium and round again. */
export function RoomPage() {
  const { code: typed = "" } = useParams();
  const [search] = useSearchParams();
  const identity = useIdentity();
  const code = normaliseCode(typed);
  if (code === null) return <Navigate to={`/j/${encodeURIComponent(typed)}`} replace />;
  if (typed !== code) return <Navigate to={`/r/${code}`} replace />;
  const watching = search.get("as") === "watcher";
  const known = seats.find(code) !== null;
  if (identity.is === "nobody" && !known && !watching) return <Navigate to={`/j/${code}`} replace />;
  if (identity.is === "unknown" && !known) return <Entering />;
  return <Seated key={code} code={code} role={watching ? "watcher" : "player"} />;
}

function Seated({ code, role }: { readonly code: string; readonly role: "player" | "watcher" }) {
  const t = useText();
  const connection = useConnection(code, role, t("screen.name"));
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
  return <Inside code={code} />;
}

function Inside({ code }: { readonly code: string }) {
  const t = useText();
  usePassingWords();
  useWitness();
  const phase = useRoom((room) => room.phase);
  const title = useRoom((room) => room.title);
  const layout = phase === "match" || phase === "countdown" ? "stage" : "wide";
  return (
    <Page
      title={`${t.code("phase", phase, "phase.lobby")} · ${title || code}`}
      layout={layout}
      bar={
        <>
          <Banner />
          <RoomBar />
        </>
      }
    >
      {(phase === "lobby" || phase === "closed") && <Lobby />}
      {phase === "countdown" && <Countdown />}
      {phase === "match" && <MatchView />}
      {phase === "results" && <Results />}
      <Standstill />
    </Page>
  );
}
