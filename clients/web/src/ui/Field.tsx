import { useId, type InputHTMLAttributes, type ReactNode, type Ref } from "react";

import "./Field.css";

type FieldProps = Omit<InputHTMLAttributes<HTMLInputElement>, "className"> & {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly error?: string | undefined;
  /** Stands before the input, inside its box. */
  readonly before?: ReactNode;
  readonly look?: "normal" | "code";
  readonly ref?: Ref<HTMLInputElement>;
};

export function Field({ label, hint, error, before, look = "normal", ref, ...input }: FieldProps) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div className={`field field-${look}`}>
      <label htmlFor={id}>{label}</label>
      <div className="field-box">
        {before}
        <input
          {...input}
          ref={ref}
          id={id}
          aria-invalid={error ? true : undefined}
          aria-describedby={described || undefined}
        />
      </div>
      {hint && (
        <p id={`${id}-hint`} className="field-hint">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="field-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}
