import { Suspense, lazy } from "preact/compat";
import { useEffect, useErrorBoundary, useState } from "preact/hooks";
import { Redirect, Route, Switch } from "wouter-preact";
import { ApiError, useProjects } from "./api/use.ts";
import { Arrival } from "./pages/arrival.tsx";
import { Embed } from "./pages/embed.tsx";
import { FirstEvent } from "./pages/first-event.tsx";
import { Home } from "./pages/home.tsx";
import { Overview } from "./pages/overview.tsx";
import { SignedOut } from "./pages/signed-out.tsx";
import { Shell } from "./shell.tsx";
import { ErrorNotice } from "./ui/states.tsx";
import { FirstEventContext } from "./view/steps.ts";
import { type Account, AccountProvider, PAGES, type PageName, useFirstEventTime } from "./view/account.ts";
import { BASE } from "./view/base.ts";

// The overview is in the main bundle; the other pages load on demand.
const ELSEWHERE = {
  explore: lazy(() => import("./pages/explore.tsx")),
  installs: lazy(() => import("./pages/installs.tsx")),
  usage: lazy(() => import("./pages/usage.tsx")),
  funnel: lazy(() => import("./pages/funnel.tsx")),
  errors: lazy(() => import("./pages/errors.tsx")),
  downloads: lazy(() => import("./pages/downloads.tsx")),
  live: lazy(() => import("./pages/live.tsx")),
  health: lazy(() => import("./pages/health.tsx")),
  settings: lazy(() => import("./pages/settings/index.tsx")),
};
const Explorer = lazy(() => import("./pages/explorer.tsx"));

export function App() {
  return (
    <Switch>
      <Route path="/embed/:project/:chart">{({ project, chart }) => <Embed project={project} chart={chart} />}</Route>
      <Route>
        <AccountGate />
      </Route>
    </Switch>
  );
}

/** Loads the account, then renders the pages. Shows the login form when the session ends; each page shows its other errors. */
function AccountGate() {
  const { data, error, refetch } = useProjects();
  if (error instanceof ApiError && error.code === "UNAUTHENTICATED") return <SignedOut />;
  if (data) return !data.me && data.projects.length === 0 ? <SignedOut /> : <Pages me={data.me ?? null} projects={data.projects} />;
  return error ? <ServerUnreachable error={error} retry={() => void refetch()} /> : <StartupSkeleton />;
}

function Pages({ me, projects }: Account) {
  const slugs = projects.map(({ slug }) => slug);
  return (
    <AccountProvider value={{ me, projects }}>
      <Switch>
        <Route path="/">{slugs.length === 1 ? <Redirect to={`/d/${slugs[0]}`} replace /> : <Home />}</Route>
        <Route path="/p/:project">{({ project }) => <Redirect to={`/d/${project}`} replace />}</Route>
        <Route path="/graphql">
          <Shell page="explorer">
            <Loading>
              <Explorer />
            </Loading>
          </Shell>
        </Route>
        <Route path="/d/:project/:page?">
          {({ project, page = "overview" }) =>
            slugs.includes(project) && page in PAGES ? <Page project={project} page={page as PageName} /> : <NotFound known={me !== null} />
          }
        </Route>
        <Route>
          <NotFound known={me !== null} />
        </Route>
      </Switch>
    </AccountProvider>
  );
}

/** Skeleton of the page until the account has loaded. */
function StartupSkeleton() {
  return (
    <div class="shell" role="status" aria-label="Loading">
      <div class="side" />
      <div class="main">
        <div class="top" />
        <div class="skeleton" style={{ height: "640px" }} />
      </div>
    </div>
  );
}

function ServerUnreachable({ error, retry }: { error: Error; retry: () => void }) {
  return (
    <main class="center">
      <h1>Footfall is not responding</h1>
      <ErrorNotice error={error} retry={retry} />
    </main>
  );
}

// Pages that are available before the first event.
const BEFORE_EVENTS = new Set<PageName>(["live", "health", "settings"]);

function Page({ project, page }: { project: string; page: PageName }) {
  const firstEventAt = useFirstEventTime(project);
  useEffect(() => {
    document.title = `${PAGES[page].title} · ${project} · Footfall`;
    scrollTo(0, 0);
  }, [project, page]);
  const place = `${project}/${page}`;
  const [awaited, setAwaited] = useState(""); // the page that waited for the first event; it shows the event until dismissed
  const isWaiting = firstEventAt === null && !BEFORE_EVENTS.has(page);
  useEffect(() => (isWaiting ? setAwaited(place) : undefined), [isWaiting, place]);
  if (isWaiting || awaited === place) {
    return (
      <Shell project={project} page={page} empty>
        {isWaiting ? <FirstEvent key={project} project={project} /> : <Arrival project={project} dismiss={() => setAwaited("")} />}
      </Shell>
    );
  }
  const Chosen = ELSEWHERE[page as keyof typeof ELSEWHERE];
  return (
    <Shell project={project} page={page}>
      <FirstEventContext.Provider value={firstEventAt}>
        {page === "overview" ? (
          <Overview project={project} />
        ) : (
          <Loading key={page}>
            <Chosen key={project} project={project} />
          </Loading>
        )}
      </FirstEventContext.Provider>
    </Shell>
  );
}

/** Renders a page that loads on demand. Loading fails if the server was updated, since an open tab requests files of the old version. */
function Loading({ children }: { children: preact.ComponentChildren }) {
  const [error] = useErrorBoundary();
  if (error) return <ErrorNotice error={new ApiError("BROKEN", "Could not load this page. Footfall may have been updated since you opened it.")} />;
  return <Suspense fallback={<div class="skeleton" style={{ height: "400px" }} role="status" aria-label="Loading" />}>{children}</Suspense>;
}

function NotFound({ known }: { known: boolean }) {
  return (
    <main class="center">
      <h1>Page not found</h1>
      <p>{known ? "This page or project does not exist, or your account cannot read it." : "This page does not exist, or requires a login."}</p>
      <p>
        <a class="button" href={`${BASE}/`}>
          All projects
        </a>
        {!known && (
          <a class="button" href={`${BASE}/login?next=${encodeURIComponent(location.pathname)}`}>
            Log in
          </a>
        )}
      </p>
    </main>
  );
}
