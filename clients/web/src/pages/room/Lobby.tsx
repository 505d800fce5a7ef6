import { useQuery } from "@tanstack/react-query";
import { Check, Lock, LockOpen, MonitorPlay, Play, SlidersHorizontal } from "lucide-react";
import { useEffect, useRef, useState } from "react";

import { modesQuery } from "../../api/hooks";
import { gameOf } from "../../games/registry";
import { useAsk, useMayHost, useMySeat, useOnItsWay, useRoom, useSeats, useSession } from "../../match/hooks";
import { useText } from "../../text";
import { announce } from "../../ui/announce";
import { Button } from "../../ui/Button";
import { Switch } from "../../ui/Choice";
import { CodeBadge, ShareLink } from "../../ui/CodeBadge";
import { QrCode } from "../../ui/QrCode";
import { Sheet } from "../../ui/Sheet";
import { play } from "../../ui/sound";
import { SettingsForm } from "../SettingsForm";
import { joinLink, joinPlace, onlyHere } from "./links";
import { People } from "./People";
import "./Lobby.css";

/** Who is here, how to get in, and one Start. */
export function Lobby() {
  const t = useText();
  const code = useRoom((room) => room.code);
  const title = useRoom((room) => room.title);
  const people = useSeats();
  const mayHost = useMayHost();
  const onScreen = useSession((session) => session.as === "screen");
  const host = useRoom((room) => (room.host === null ? null : (room.seats[room.host]?.name ?? null)));
  useArrivals(people.length);
  return (
    <div className={onScreen ? "lobby lobby-screen" : "lobby"}>
      <section className="lobby-way" aria-label={t("lobby.way")}>
        <h1>{title || t("lobby.title")}</h1>
        <p className="lobby-place">
          {t("lobby.goTo")} <b>{joinPlace()}</b> {t("lobby.andType")}
        </p>
        <CodeBadge code={code} size="huge" />
        <div className="lobby-qr">
          <QrCode text={joinLink(code)} label={t("qr", { code })} />
        </div>
        {!onScreen && (
          <div className="lobby-share">
            <ShareLink link={joinLink(code)} title={title || t("lobby.title")} />
          </div>
        )}
        {mayHost && onlyHere() && <p className="small muted lobby-only">{t("lobby.localhost")}</p>}
      </section>
      <section className="lobby-people" aria-labelledby="people-title">
        <header className="lobby-head">
          <h2 id="people-title" className="figures">
            {t("people.here", { n: people.length })}
          </h2>
          {mayHost && <LockButton />}
        </header>
        <People />
        {people.length < 2 && <p className="muted">{t("lobby.alone")}</p>}
      </section>
      <footer className="lobby-foot">
        <Facts />
        {mayHost ? <HostControls /> : !onScreen && <PlayerControls host={host} />}
      </footer>
    </div>
  );
}

function useArrivals(count: number): void {
  const t = useText();
  const before = useRef(count);
  useEffect(() => {
    if (count > before.current) {
      play("join");
      announce(t("people.here", { n: count }));
    }
    before.current = count;
  }, [count, t]);
}

function Facts() {
  const t = useText();
  const mode = useRoom((room) => room.mode);
  const settings = useRoom((room) => room.settings);
  return (
    <p className="lobby-facts">
      <b>{t.code("mode", mode, "mode.other")}</b>
      <span className="muted">
        {gameOf(mode)?.summary(settings as unknown as Record<string, unknown>, t)}
      </span>
    </p>
  );
}

function LockButton() {
  const t = useText();
  const ask = useAsk();
  const locked = useRoom((room) => room.locked);
  return (
    <Button
      kind="quiet"
      aria-pressed={locked}
      icon={locked ? <Lock size="1.1em" aria-hidden="true" /> : <LockOpen size="1.1em" aria-hidden="true" />}
      onClick={() => ask({ t: "room.lock", locked: !locked })}
    >
      {t(locked ? "room.locked" : "room.lock")}
    </Button>
  );
}

function PlayerControls({ host }: { readonly host: string | null }) {
  const t = useText();
  const ask = useAsk();
  const seat = useMySeat();
  const ready = useRoom((room) => (seat === null ? false : room.seats[seat]?.ready === true));
  const wanted = useOnItsWay("room.ready")?.ready ?? ready;
  if (seat === null) return <p className="muted">{t("lobby.watching")}</p>;
  return (
    <div className="lobby-do">
      <Button
        kind={wanted ? "secondary" : "primary"}
        size="large"
        wide
        aria-pressed={wanted}
        icon={wanted ? <Check size="1.2em" strokeWidth={3} aria-hidden="true" /> : undefined}
        onClick={() => ask({ t: "room.ready", ready: !wanted })}
      >
        {t(wanted ? "ready" : "ready.say")}
      </Button>
      <p className="muted small" role="status">
        {host === null ? t("lobby.noHost") : t("lobby.waitingFor", { name: host })}
      </p>
    </div>
  );
}

function HostControls() {
  const t = useText();
  const ask = useAsk();
  const seat = useMySeat();
  const code = useRoom((room) => room.code);
  const playing = useRoom((room) => (seat === null ? false : room.seats[seat]?.playing === true));
  const players = useSeats().filter(([, one]) => one.playing).length;
  const mode = useRoom((room) => room.mode);
  const { data: modes } = useQuery(modesQuery);
  const starting = useOnItsWay("room.start") !== null;
  const [open, setOpen] = useState(false);
  const least = modes?.find((one) => one.id === mode)?.players_min ?? 1;
  const missing = Math.max(0, least - players);
  return (
    <div className="lobby-do">
      <div className="lobby-tools">
        <Button icon={<SlidersHorizontal size="1.2em" aria-hidden="true" />} onClick={() => setOpen(true)}>
          {t("settings")}
        </Button>
        <Button
          icon={<MonitorPlay size="1.2em" aria-hidden="true" />}
          onClick={() => window.open(`/screen/${code}`, "_blank", "noopener")}
        >
          {t("screen.open")}
        </Button>
        <Switch
          label={t("host.plays")}
          on={playing}
          onChange={(next) => ask({ t: "room.playing", playing: next })}
        />
      </div>
      <Button
        kind="primary"
        size="large"
        wide
        busy={starting}
        disabled={missing > 0}
        icon={<Play size="1.2em" fill="currentColor" aria-hidden="true" />}
        onClick={() => ask({ t: "room.start" })}
      >
        {t("start")}
      </Button>
      {missing > 0 && (
        <p className="muted small" role="status">
          {t("lobby.missing", { n: missing })}
        </p>
      )}
      <SettingsSheet open={open} onClose={() => setOpen(false)} />
    </div>
  );
}

function SettingsSheet({ open, onClose }: { readonly open: boolean; readonly onClose: () => void }) {
  const t = useText();
  return (
    <Sheet title={t("settings")} open={open} onOpenChange={onClose}>
      <SettingsDraft onClose={onClose} />
    </Sheet>
  );
}

function SettingsDraft({ onClose }: { readonly onClose: () => void }) {
  const t = useText();
  const ask = useAsk();
  const modeId = useRoom((room) => room.mode);
  const settings = useRoom((room) => room.settings);
  const { data: modes } = useQuery(modesQuery);
  const mode = modes?.find((one) => one.id === modeId);
  const [draft, setDraft] = useState<Record<string, unknown>>(() => ({ ...settings }));
  if (!mode) return <p role="status">{t("loading")}</p>;
  return (
    <>
      <SettingsForm mode={mode} value={draft} onChange={setDraft} />
      <div className="settings-save">
        <Button
          kind="primary"
          wide
          onClick={() => {
            ask({ t: "room.settings", settings: draft });
            onClose();
          }}
        >
          {t("save")}
        </Button>
      </div>
    </>
  );
}
