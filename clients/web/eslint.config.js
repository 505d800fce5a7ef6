import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import globals from "globals";
import ts from "typescript-eslint";

/** Sockets, HTTP and storage are reached in one place each; everything else asks that place. */
const onlyIn = {
  fetch: "Use src/api: it knows the session, its refresh and the errors.",
  WebSocket: "Use src/match/connection: it owns the only socket.",
  localStorage: "Use src/lib/storage: storage may be full or forbidden.",
  sessionStorage: "Use src/lib/storage: storage may be full or forbidden.",
};
const allBut = (...names) =>
  Object.entries(onlyIn)
    .filter(([name]) => !names.includes(name))
    .map(([name, message]) => ({ name, message }));

/** A folder may not import from these; the message says where the thing belongs. */
const notFrom = (patterns) => [
  "error",
  { patterns: patterns.map(([group, message]) => ({ group: [group], message })) },
];

export default ts.config(
  { ignores: ["dist", "src/protocol/generated.ts"] },
  js.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [...ts.configs.strictTypeChecked, hooks.configs.flat["recommended-latest"]],
    languageOptions: {
      globals: globals.browser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "no-restricted-globals": ["error", ...allBut()],
      eqeqeq: ["error", "always", { null: "ignore" }],
    },
  },
  { files: ["src/api/**"], rules: { "no-restricted-globals": ["error", ...allBut("fetch")] } },
  {
    files: ["src/match/connection.ts"],
    rules: { "no-restricted-globals": ["error", ...allBut("WebSocket")] },
  },
  {
    files: ["src/lib/storage.ts"],
    rules: { "no-restricted-globals": ["error", ...allBut("localStorage", "sessionStorage")] },
  },
  {
    files: ["src/protocol/**", "src/match/session.ts", "src/match/clock.ts"],
    rules: {
      "no-restricted-imports": notFrom([
        ["react*", "The protocol and the session machine are pure."],
        ["../ui/*", "The protocol and the session machine are pure."],
        ["../api/*", "The protocol and the session machine are pure."],
      ]),
    },
  },
  {
    files: ["src/ui/**"],
    rules: {
      "no-restricted-imports": notFrom([
        ["../pages/*", "Building blocks know no page."],
        ["../games/*", "Building blocks know no game."],
        ["../api/*", "Building blocks fetch nothing."],
      ]),
    },
  },
  {
    files: ["src/games/**"],
    rules: {
      "no-restricted-imports": notFrom([
        ["**/pages/*", "A game is shown by pages, never the other way round."],
      ]),
    },
  },
  { files: ["*.js", "public/*.js"], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
);
