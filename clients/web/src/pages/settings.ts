/** From a mode's JSON Schema to fields of a form. Pure. */
import type { JsonSchema } from "../api/types";

interface Common {
  readonly name: string;
  readonly title: string;
  readonly description: string | undefined;
  readonly default: unknown;
}

export type SettingField = Common &
  (
    | { readonly is: "switch" }
    | { readonly is: "number"; readonly min: number; readonly max: number }
    | { readonly is: "choice"; readonly options: readonly string[] }
    | { readonly is: "text"; readonly max: number }
    | { readonly is: "list" }
  );

const TEXT_MAX = 200;

/** Follow `$ref` inside the document; what cannot be followed is an empty schema. */
function resolve(schema: JsonSchema, root: JsonSchema): JsonSchema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.split("/").at(-1) ?? "";
  const target = root.$defs?.[name];
  return target ? { ...target, ...schema } : {};
}

export function settingFields(document: JsonSchema): SettingField[] {
  const root = resolve(document, document);
  return Object.entries(root.properties ?? {}).flatMap(([name, raw]) => {
    const field = fieldOf(name, resolve(raw, document));
    return field ? [field] : [];
  });
}

function fieldOf(name: string, schema: JsonSchema): SettingField | null {
  const common: Common = {
    name,
    title: schema.title ?? name,
    description: schema.description,
    default: schema.default,
  };
  if (schema.enum) {
    return { ...common, is: "choice", options: schema.enum.filter((one) => typeof one === "string") };
  }
  switch (schema.type) {
    case "boolean":
      return { ...common, is: "switch" };
    case "integer":
      return { ...common, is: "number", min: schema.minimum ?? 0, max: schema.maximum ?? 100 };
    case "string":
      return { ...common, is: "text", max: schema.maxLength ?? TEXT_MAX };
    case "array":
      return { ...common, is: "list" };
    default:
      return null;
  }
}
