import { useQuery } from "@tanstack/react-query";
import { useState, type SyntheticEvent } from "react";
import { useNavigate } from "react-router";

import * as api from "../api/client";
import { becomePlayer, modesQuery, useIdentity } from "../api/hooks";
import type { ModeInfo } from "../api/types";
import { gameOf } from "../games/registry";
import { persona } from "../lib/names";
import { LIMITS } from "../protocol/generated";
import { useText } from "../text";
import { Button } from "../ui/Button";
import { Segmented } from "../ui/Choice";
import { EmptyState } from "../ui/EmptyState";
import { Field } from "../ui/Field";
import { Page } from "../ui/Page";
import { AppBar } from "./AppBar";
import { SettingsForm } from "./SettingsForm";
import { useAction } from "./useAction";
import "./Host.css";

/** Make a room: a mode, its settings, one button. Everything has a good default. */
export function Host() {
  const t = useText();
  const identity = useIdentity();
  const { data: modes, isPending, refetch } = useQuery(modesQuery);
  return (
    <Page title={t("host.title")} layout="wide" bar={<AppBar identity={identity} />}>
      <h1 className="host-title">{t("host.title")}</h1>
      {modes ? (
        <HostForm modes={modes} />
      ) : isPending ? (
        <p className="muted" role="status">
          {t("loading")}
        </p>
      ) : (
        <EmptyState
          tone="trouble"
          title={t("server.silent")}
          actions={<Button onClick={() => void refetch()}>{t("again")}</Button>}
        >
          {t("server.silent.more")}
        </EmptyState>
      )}
    </Page>
  );
}

function HostForm({ modes }: { readonly modes: readonly ModeInfo[] }) {
  const t = useText();
  const identity = useIdentity();
  const navigate = useNavigate();
  const { busy, words, run } = useAction();
  const [modeId, setModeId] = useState(modes[0]?.id ?? "");
  const mode = modes.find((one) => one.id === modeId);
  const [settings, setSettings] = useState<Record<string, unknown>>(mode?.defaults ?? {});
  const [title, setTitle] = useState("");
  const [seen, setSeen] = useState<"private" | "public">("private");

  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void run(async () => {
      const who = persona();
      await becomePlayer(identity, who.name, who.avatar);
      const fields = { mode: modeId, settings, public: seen === "public", title: title.trim() };
      const { code } = await api.createRoom(fields);
      await navigate(`/r/${code}`);
    });
  };
  return (
    <form className="host" onSubmit={submit} noValidate>
      <fieldset className="host-modes">
        <legend className="sr-only">{t("host.mode")}</legend>
        {modes.map((one) => {
          const game = gameOf(one.id);
          return (
            <label key={one.id} className="mode-card">
              <input
                type="radio"
                name="mode"
                value={one.id}
                checked={one.id === modeId}
                onChange={() => {
                  setModeId(one.id);
                  setSettings(one.defaults);
                }}
              />
              <span className="mode-inside">
                {game && <game.Miniature />}
                <b>{t.code("mode", one.id, "mode.other")}</b>
                <span className="muted">
                  {t("mode.players", { least: one.players_min, most: one.players_max })}
                </span>
              </span>
            </label>
          );
        })}
      </fieldset>
      <div className="host-side">
        <Field
          label={t("room.title")}
          name="title"
          autoComplete="off"
          maxLength={LIMITS.TITLE_CHARS_MAX}
          placeholder={t("room.title.example")}
          value={title}
          onChange={(event) => setTitle(event.target.value)}
        />
        <Segmented
          label={t("room.seen")}
          value={seen}
          onChange={setSeen}
          options={[
            { value: "private", label: t("room.private") },
            { value: "public", label: t("room.public") },
          ]}
          hint={t(seen === "public" ? "room.public.more" : "room.private.more")}
        />
        <details className="host-settings">
          <summary>
            <span>{t("settings")}</span>
            <span className="muted">{gameOf(modeId)?.summary(settings, t)}</span>
          </summary>
          {mode && <SettingsForm mode={mode} value={settings} onChange={setSettings} />}
        </details>
        {words && (
          <p className="field-error" role="alert">
            {words}
          </p>
        )}
        <Button type="submit" kind="primary" size="large" wide busy={busy}>
          {t("host.open")}
        </Button>
      </div>
    </form>
  );
}
