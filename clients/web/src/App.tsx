import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { domAnimation, LazyMotion, MotionConfig } from "motion/react";
import { lazy, Suspense } from "react";
import { createBrowserRouter, Outlet, RouterProvider } from "react-router";

import { Problem } from "./api/problem";
import { Home } from "./pages/Home";
import { Join } from "./pages/Join";
import { NotFound } from "./pages/NotFound";
import { Entering } from "./pages/room/Entering";
import { useText } from "./text";
import { LiveRegions } from "./ui/LiveRegions";
import { Toasts } from "./ui/Toasts";

const Account = lazy(() => import("./pages/Account").then((page) => ({ default: page.Account })));
const Host = lazy(() => import("./pages/Host").then((page) => ({ default: page.Host })));
const RoomPage = lazy(() => import("./pages/room/RoomPage").then((page) => ({ default: page.RoomPage })));
const Screen = lazy(() => import("./pages/Screen").then((page) => ({ default: page.Screen })));

const TRIES = 2;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A refusal does not get better by asking again; a silent server may.
      retry: (failures, error) =>
        failures < TRIES && !(error instanceof Problem && error.status >= 400 && error.status < 500),
    },
  },
});

function Frame() {
  const t = useText();
  return (
    <>
      <a className="skip-link" href="#main">
        {t("skip")}
      </a>
      <Suspense fallback={<Entering />}>
        <Outlet />
      </Suspense>
      <Toasts />
      <LiveRegions />
    </>
  );
}

const router = createBrowserRouter([
  {
    element: <Frame />,
    errorElement: <NotFound />,
    children: [
      { path: "/", element: <Home /> },
      { path: "/j/:code", element: <Join /> },
      { path: "/host", element: <Host /> },
      { path: "/account", element: <Account /> },
      { path: "/r/:code", element: <RoomPage /> },
      { path: "/screen/:code", element: <Screen /> },
      { path: "*", element: <NotFound /> },
    ],
  },
]);

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <LazyMotion features={domAnimation} strict>
        <MotionConfig reducedMotion="user">
          <RouterProvider router={router} />
        </MotionConfig>
      </LazyMotion>
    </QueryClientProvider>
  );
}
