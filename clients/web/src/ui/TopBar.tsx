import { Languages, Moon, Sun, Volume2, VolumeX } from "lucide-react";
import { useSyncExternalStore, type ReactNode } from "react";
import { Link } from "react-router";

import { LANGUAGES, setLanguage, useText, type Language } from "../text";
import { currentTheme, onTheme, setTheme } from "../theme/theme";
import { ActionMenu } from "./ActionMenu";
import { IconButton } from "./Button";
import { Shape } from "./Shape";
import { onSound, setSound, soundOn } from "./sound";
import "./TopBar.css";

interface Props {
  /** In place of the name of the product, beside its sign. */
  readonly middle?: ReactNode;
  readonly end?: ReactNode;
  /** In a room the sign does not lead away by a slip of the thumb. */
  readonly leave?: boolean;
}

export function TopBar({ middle, end, leave = true }: Props) {
  const t = useText();
  const sign = (
    <>
      <span className="sign" aria-hidden="true">
        <Shape colour="coral" size={12} />
        <Shape colour="azure" size={12} />
        <Shape colour="amber" size={12} />
        <Shape colour="mint" size={12} />
      </span>
      {!middle && <span className="sign-name">SvidNet Arena</span>}
    </>
  );
  return (
    <header className={middle ? "bar bar-room" : "bar"}>
      {leave ? (
        <Link to="/" className="bar-sign">
          {sign}
          <span className="sr-only">, {t("home")}</span>
        </Link>
      ) : (
        <span className="bar-sign">{sign}</span>
      )}
      <div className="bar-middle">{middle}</div>
      <div className="bar-end">
        {end}
        <span className="bar-language">
          <LanguageMenu />
        </span>
        <SoundToggle />
        <ThemeToggle />
      </div>
    </header>
  );
}

export function ThemeToggle() {
  const t = useText();
  const theme = useSyncExternalStore(onTheme, currentTheme);
  const other = theme === "dark" ? "light" : "dark";
  return (
    <IconButton label={t(`theme.${other}`)} onClick={() => setTheme(other)}>
      {theme === "dark" ? <Sun size={20} aria-hidden="true" /> : <Moon size={20} aria-hidden="true" />}
    </IconButton>
  );
}

export function SoundToggle() {
  const t = useText();
  const on = useSyncExternalStore(onSound, soundOn);
  return (
    <IconButton label={t(on ? "sound.off" : "sound.on")} onClick={() => setSound(!on)}>
      {on ? <Volume2 size={20} aria-hidden="true" /> : <VolumeX size={20} aria-hidden="true" />}
    </IconButton>
  );
}

function LanguageMenu() {
  const t = useText();
  const actions = Object.entries(LANGUAGES).map(([id, label]) => ({
    id,
    label,
    run: () => setLanguage(id as Language),
  }));
  return (
    <ActionMenu label={t("language")} actions={actions}>
      <Languages size={20} aria-hidden="true" />
    </ActionMenu>
  );
}
