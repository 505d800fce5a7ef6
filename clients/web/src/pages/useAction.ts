import { useCallback, useState } from "react";

import { Problem } from "../api/problem";
import { useText } from "../text";

/** One thing a person asked for: whether it is under way, and what went wrong, in words. */
export function useAction(): {
  readonly busy: boolean;
  readonly problem: Problem | null;
  readonly words: string | undefined;
  readonly run: (work: () => Promise<void>) => Promise<void>;
  readonly clear: () => void;
} {
  const t = useText();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const run = useCallback(async (work: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setBusy(false);
    }
  }, []);
  const clear = useCallback(() => setProblem(null), []);
  const words = problem ? t.code("problem", problem.code, "problem.other") : undefined;
  return { busy, problem, words, run, clear };
}
