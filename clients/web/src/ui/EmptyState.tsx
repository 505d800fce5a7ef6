import type { ReactNode } from "react";

import { Shape } from "./Shape";
import "./EmptyState.css";

interface Props {
  readonly title: string;
  readonly children?: ReactNode;
  readonly actions?: ReactNode;
  /** whole: this is all there is on the page; then the title is its heading. */
  readonly size?: "part" | "whole";
  readonly tone?: "calm" | "trouble";
}

/** Nothing here, or nothing goes on: says what and what to do next. */
export function EmptyState({ title, children, actions, size = "part", tone = "calm" }: Props) {
  const Heading = size === "whole" ? "h1" : "h3";
  return (
    <section className={`empty empty-${size} empty-${tone}`}>
      <span className="empty-shapes" aria-hidden="true">
        <Shape colour="coral" size="1em" />
        <Shape colour="azure" size="1em" />
        <Shape colour="amber" size="1em" />
        <Shape colour="mint" size="1em" />
      </span>
      <Heading>{title}</Heading>
      {children && <div className="empty-words">{children}</div>}
      {actions && <div className="empty-actions">{actions}</div>}
    </section>
  );
}
