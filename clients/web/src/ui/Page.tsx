import { useEffect, type ReactNode } from "react";

import "./Page.css";

interface Props {
  /** The document's title is “title · SvidNet Arena”. */
  readonly title: string;
  readonly bar?: ReactNode;
  /** stage: fills the screen without scrolling where it can · column: a reading width · wide. */
  readonly layout?: "stage" | "column" | "wide";
  readonly children: ReactNode;
}

const PRODUCT = "SvidNet Arena";

export function Page({ title, bar, layout = "column", children }: Props) {
  useEffect(() => {
    document.title = title === "" ? PRODUCT : `${title} · ${PRODUCT}`;
  }, [title]);
  return (
    <div className={`page page-${layout}`}>
      {bar}
      <main id="main" className="page-main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}
