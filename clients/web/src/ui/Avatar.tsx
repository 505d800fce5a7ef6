import { memo } from "react";

import { avatarParts, type AvatarParts } from "./avatar";

interface Props {
  /** `seed:palette`; the same text is the same face everywhere. */
  readonly avatar: string;
  readonly size?: number | string;
  /** Set when nothing beside it says whose it is. */
  readonly label?: string;
}

/** A small creature drawn from a seed. */
export const Avatar = memo(function Avatar({ avatar, size = 40, label }: Props) {
  const parts = avatarParts(avatar);
  return (
    <svg
      viewBox="0 0 64 64"
      width={size}
      height={size}
      role={label ? "img" : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
    >
      <circle cx="32" cy="32" r="32" fill={parts.back} />
      <Top kind={parts.top} colour={parts.body} ink={parts.ink} />
      <path d={BODIES[parts.shape]} fill={parts.body} />
      <g transform={`translate(${String(parts.lean)} ${String(parts.drop)})`}>
        <Eyes kind={parts.eyes} ink={parts.ink} />
        <Mouth kind={parts.mouth} ink={parts.ink} />
        {parts.cheeks && (
          <g fill={parts.back} opacity="0.55">
            <circle cx="20" cy="42" r="3.4" />
            <circle cx="44" cy="42" r="3.4" />
          </g>
        )}
      </g>
    </svg>
  );
});

const BODIES = [
  "M32 14c13 0 21 9 21 23v27H11V37c0-14 8-23 21-23z",
  "M16 18h32a6 6 0 0 1 6 6v40H10V24a6 6 0 0 1 6-6z",
  "M32 12c5 0 7 5 11 9 6 6 12 12 12 22v21H9V43c0-10 6-16 12-22 4-4 6-9 11-9z",
  "M19 17h26l11 18v29H8V35z",
  "M32 15c8-5 22 3 21 18-1 8 3 14 3 31H8c0-17 4-23 3-31-1-15 13-23 21-18z",
] as const;

function Top({ kind, colour, ink }: { kind: AvatarParts["top"]; colour: string; ink: string }) {
  switch (kind) {
    case 0:
      return null;
    case 1: // antenna
      return (
        <g>
          <path d="M32 16V7" stroke={colour} strokeWidth="3" strokeLinecap="round" />
          <circle cx="32" cy="6.500" r="3.500" fill={colour} />
        </g>
      );
    case 2: // ears
      return (
        <g fill={colour}>
          <path d="M13 30 14 9l15 10z" />
          <path d="M51 30 50 9 35 19z" />
        </g>
      );
    case 3: // round ears
      return (
        <g fill={colour}>
          <circle cx="15" cy="20" r="8" />
          <circle cx="49" cy="20" r="8" />
        </g>
      );
    case 4: // tuft
      return <path d="M24 18c-1-8 4-9 6-4 1-8 8-8 8-1 4-3 7 1 4 6z" fill={ink} />;
    case 5: // party hat
      return (
        <g>
          <path d="M32 2 23 19h18z" fill={ink} />
          <circle cx="32" cy="3.500" r="3" fill={colour} />
        </g>
      );
  }
}

function Eyes({ kind, ink }: { kind: AvatarParts["eyes"]; ink: string }) {
  switch (kind) {
    case 0:
      return (
        <g fill={ink}>
          <circle cx="24" cy="34" r="3.600" />
          <circle cx="40" cy="34" r="3.600" />
        </g>
      );
    case 1:
      return (
        <g>
          <circle cx="24" cy="34" r="6" fill="#fff" />
          <circle cx="40" cy="34" r="6" fill="#fff" />
          <circle cx="25.500" cy="35" r="3" fill={ink} />
          <circle cx="41.500" cy="35" r="3" fill={ink} />
        </g>
      );
    case 2:
      return (
        <g fill="none" stroke={ink} strokeWidth="3" strokeLinecap="round">
          <path d="M20 35c1-4 7-4 8 0" />
          <path d="M36 35c1-4 7-4 8 0" />
        </g>
      );
    case 3:
      return (
        <g>
          <circle cx="32" cy="33" r="8.500" fill="#fff" />
          <circle cx="33.500" cy="34" r="4.200" fill={ink} />
        </g>
      );
    case 4:
      return (
        <g>
          <path d="M15 31h34" stroke={ink} strokeWidth="3" />
          <rect x="16" y="29" width="14" height="10" rx="4" fill={ink} />
          <rect x="34" y="29" width="14" height="10" rx="4" fill={ink} />
        </g>
      );
    case 5:
      return (
        <g>
          <circle cx="24" cy="34" r="3.600" fill={ink} />
          <path d="M36 34h8" stroke={ink} strokeWidth="3.200" strokeLinecap="round" />
        </g>
      );
  }
}

function Mouth({ kind, ink }: { kind: AvatarParts["mouth"]; ink: string }) {
  switch (kind) {
    case 0:
      return <path d="M25 46c3 5 11 5 14 0" fill="none" stroke={ink} strokeWidth="3" strokeLinecap="round" />;
    case 1:
      return <path d="M24 45h16c0 10-16 10-16 0z" fill={ink} />;
    case 2:
      return <circle cx="32" cy="48" r="3.800" fill={ink} />;
    case 3:
      return <path d="M26 48h12" stroke={ink} strokeWidth="3" strokeLinecap="round" />;
    case 4:
      return (
        <g>
          <path d="M23 45h18v4a4 4 0 0 1-4 4H27a4 4 0 0 1-4-4z" fill={ink} />
          <path d="M27 45h4v3h-4zm6 0h4v3h-4z" fill="#fff" />
        </g>
      );
  }
}
