/** What the web client knows of one game. A game's folder exports one of these; the registry lists them. */
import type { ComponentType } from "react";

import type { Translator } from "../text";

export interface OwnFieldProps {
  readonly label: string;
  readonly hint: string | undefined;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
  readonly disabled: boolean;
}

export interface Game {
  readonly id: string;
  /** The game itself in miniature, for its card. */
  readonly Miniature: ComponentType;
  /** The match, for a seat or a watcher. */
  readonly Play: ComponentType;
  /** The match on the big screen. */
  readonly Screen: ComponentType;
  /** The settings in one line. */
  readonly summary: (settings: Readonly<Record<string, unknown>>, t: Translator) => string;
  /** Settings whose form the schema alone cannot make. */
  readonly fields?: Readonly<Record<string, ComponentType<OwnFieldProps>>>;
}
