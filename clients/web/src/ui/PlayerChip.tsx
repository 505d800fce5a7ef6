import { Bot, Check, Crown, WifiOff } from "lucide-react";
import type { ReactNode } from "react";

import { useText } from "../text";
import { Avatar } from "./Avatar";
import "./PlayerChip.css";

interface Props {
  readonly name: string;
  readonly avatar: string;
  readonly me?: boolean;
  readonly host?: boolean;
  readonly cohost?: boolean;
  readonly bot?: boolean;
  readonly here?: boolean;
  /** Ready, or answered: a tick. */
  readonly done?: boolean;
  readonly doneLabel?: string;
  readonly playing?: boolean;
  readonly children?: ReactNode;
}

export function PlayerChip(props: Props) {
  const {
    name,
    avatar,
    me,
    host,
    cohost,
    bot,
    here = true,
    done,
    doneLabel,
    playing = true,
    children,
  } = props;
  const t = useText();
  return (
    <div className={`chip${here ? "" : " chip-away"}${done ? " chip-done" : ""}${me ? " chip-me" : ""}`}>
      <span className="chip-face">
        <Avatar avatar={avatar} size="100%" />
        {done && (
          <span className="chip-tick">
            <Check size="0.8em" strokeWidth={4} aria-hidden="true" />
          </span>
        )}
      </span>
      <span className="chip-words">
        <span className="chip-name">{name}</span>
        <span className="chip-notes">
          {me && <span>{t("you")}</span>}
          {host && (
            <span>
              <Crown size="1em" aria-hidden="true" /> {t("role.host")}
            </span>
          )}
          {cohost && <span>{t("role.cohost")}</span>}
          {bot && (
            <span>
              <Bot size="1.1em" aria-hidden="true" /> {t("role.bot")}
            </span>
          )}
          {!playing && <span>{t("role.notPlaying")}</span>}
          {!here && (
            <span>
              <WifiOff size="1em" aria-hidden="true" /> {t("role.away")}
            </span>
          )}
          {done && doneLabel && <span className="sr-only">{doneLabel}</span>}
        </span>
      </span>
      {children}
    </div>
  );
}
