import { useMemo } from "react";

import type { ModeInfo } from "../api/types";
import { gameOf } from "../games/registry";
import { useText, type Translator } from "../text";
import { Segmented, Slider, Switch } from "../ui/Choice";
import { Field } from "../ui/Field";
import { settingFields, type SettingField } from "./settings";
import "./SettingsForm.css";

interface Props {
  readonly mode: ModeInfo;
  readonly value: Readonly<Record<string, unknown>>;
  readonly onChange: (value: Record<string, unknown>) => void;
  readonly disabled?: boolean;
}

/** Made from the mode's JSON Schema: a new setting needs no code here. */
export function SettingsForm({ mode, value, onChange, disabled = false }: Props) {
  const fields = useMemo(() => settingFields(mode.settings), [mode.settings]);
  return (
    <div className="settings">
      {fields.map((field) => (
        <Setting
          key={field.name}
          mode={mode.id}
          field={field}
          value={value[field.name] ?? field.default}
          disabled={disabled}
          onChange={(next) => onChange({ ...value, [field.name]: next })}
        />
      ))}
    </div>
  );
}

interface SettingProps {
  readonly mode: string;
  readonly field: SettingField;
  readonly value: unknown;
  readonly disabled: boolean;
  readonly onChange: (value: unknown) => void;
}

function words(
  t: Translator,
  mode: string,
  field: SettingField,
): { label: string; hint: string | undefined } {
  const key = `${mode}.${field.name}`;
  const label = t.code("setting", key, "missing");
  return {
    // A setting newer than this catalogue is shown in the schema's own words.
    label: label === t("missing") ? field.title : label,
    hint: t.language === "en" ? field.description : undefined,
  };
}

function Setting({ mode, field, value, disabled, onChange }: SettingProps) {
  const t = useText();
  const { label, hint } = words(t, mode, field);
  const Own = gameOf(mode)?.fields?.[field.name];
  if (Own) return <Own label={label} hint={hint} value={value} onChange={onChange} disabled={disabled} />;
  switch (field.is) {
    case "switch":
      return <Switch label={label} hint={hint} on={value === true} onChange={onChange} disabled={disabled} />;
    case "number":
      return (
        <Slider
          label={label}
          hint={hint}
          value={Number(value)}
          min={field.min}
          max={field.max}
          onChange={onChange}
          disabled={disabled}
        />
      );
    case "choice":
      return (
        <Segmented
          label={label}
          hint={hint}
          value={String(value)}
          disabled={disabled}
          onChange={onChange}
          options={field.options.map((option) => {
            const named = t.code("option", `${mode}.${field.name}.${option}`, "missing");
            return { value: option, label: named === t("missing") ? option : named };
          })}
        />
      );
    case "text":
      return (
        <Field
          label={label}
          hint={hint}
          value={typeof value === "string" ? value : ""}
          maxLength={field.max}
          disabled={disabled}
          onChange={(event) => onChange(event.target.value)}
        />
      );
    case "list":
      return null; // only a field of the mode's own knows what to offer
  }
}
