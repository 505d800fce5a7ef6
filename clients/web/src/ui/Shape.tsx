/** The six answers: colour, shape and letter belong together everywhere. */

export const ANSWERS = [
  { colour: "coral", letter: "A" },
  { colour: "azure", letter: "B" },
  { colour: "amber", letter: "C" },
  { colour: "mint", letter: "D" },
  { colour: "violet", letter: "E" },
  { colour: "rose", letter: "F" },
] as const;

export type AnswerColour = (typeof ANSWERS)[number]["colour"];

const PATHS: Record<AnswerColour, string> = {
  coral: "M12 2.6 22.4 20.6a1 1 0 0 1-.87 1.5H2.47a1 1 0 0 1-.87-1.5z",
  azure: "M12 1.2 22.8 12 12 22.8 1.2 12z",
  amber: "M12 1.6a10.4 10.4 0 1 1 0 20.8 10.4 10.4 0 0 1 0-20.8z",
  mint: "M4.4 2.4h15.2a2 2 0 0 1 2 2v15.2a2 2 0 0 1-2 2H4.4a2 2 0 0 1-2-2V4.4a2 2 0 0 1 2-2z",
  violet: "M6.6 2.4h10.8L22.8 12l-5.4 9.6H6.600L1.2 12z",
  rose: "m12 1.400 3.160 6.900 7.540.900-5.580 5.140 1.490 7.450L12 18.080l-6.610 3.710 1.490-7.450L1.300 9.200l7.540-.900z",
};

/** Drawn in the current colour; decoration, never the only sign. */
export function Shape({
  colour,
  size = 24,
}: {
  readonly colour: AnswerColour;
  readonly size?: number | string;
}) {
  return (
    <svg viewBox="0 0 24 24" width={size} height={size} fill="currentColor" aria-hidden="true">
      <path d={PATHS[colour]} />
    </svg>
  );
}

/** What belongs to the option with this index. */
export function answerOf(index: number): (typeof ANSWERS)[number] {
  return ANSWERS[index % ANSWERS.length] ?? ANSWERS[0];
}
