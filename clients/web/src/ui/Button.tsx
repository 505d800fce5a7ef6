import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { Link } from "react-router";

import "./Button.css";

interface Look {
  /** primary: the one thing to do here. */
  readonly kind?: "primary" | "secondary" | "quiet" | "danger";
  readonly size?: "normal" | "large";
  readonly wide?: boolean;
  readonly icon?: ReactNode;
  readonly children: ReactNode;
}

type ButtonProps = Look &
  Omit<ButtonHTMLAttributes<HTMLButtonElement>, "className"> & {
    /** Under way: shows it and takes no second press. */
    readonly busy?: boolean;
    readonly ref?: Ref<HTMLButtonElement>;
  };

const classes = ({ kind = "secondary", size = "normal", wide }: Omit<Look, "children">): string =>
  `button button-${kind} button-${size}${wide ? " button-wide" : ""}`;

export function Button({
  kind,
  size,
  wide,
  icon,
  busy,
  children,
  type = "button",
  ref,
  ...rest
}: ButtonProps) {
  const look = { ...(kind && { kind }), ...(size && { size }), ...(wide && { wide }) };
  return (
    <button
      {...rest}
      ref={ref}
      type={type}
      className={classes(look)}
      aria-busy={busy ?? undefined}
      aria-disabled={busy ? true : undefined}
      onClick={busy ? (event) => event.preventDefault() : rest.onClick}
    >
      {busy ? <span className="button-spinner" aria-hidden="true" /> : icon}
      <span>{children}</span>
    </button>
  );
}

export function LinkButton({ to, kind, size, wide, icon, children }: Look & { readonly to: string }) {
  const look = { ...(kind && { kind }), ...(size && { size }), ...(wide && { wide }) };
  return (
    <Link to={to} className={classes(look)}>
      {icon}
      <span>{children}</span>
    </Link>
  );
}

/** A button that shows only an icon: its label is required and is its name. */
export function IconButton({
  label,
  children,
  ref,
  ...rest
}: Omit<ButtonHTMLAttributes<HTMLButtonElement>, "className"> & {
  readonly label: string;
  readonly children: ReactNode;
  readonly ref?: Ref<HTMLButtonElement>;
}) {
  return (
    <button type="button" {...rest} ref={ref} className="icon-button" aria-label={label} title={label}>
      {children}
    </button>
  );
}
