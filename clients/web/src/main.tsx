import "@fontsource-variable/bricolage-grotesque";
import "@fontsource-variable/inter";
import "./theme/tokens.css";
import "./theme/base.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
