import { Suspense, lazy } from "preact/compat";
import { useEffect, useErrorBoundary, useState } from "preact/hooks";
import { Redirect, Route, Switch } from "wouter-preact";
import { Refused, useProjects } from "./api/use.ts";
import { Arrival } from "./pages/arrival.tsx";
import { Embed } from "./pages/embed.tsx";
import { FirstEvent } from "./pages/first-event.tsx";
import { Home } from "./pages/home.tsx";
import { Overview } from "./pages/overview.tsx";
import { SignedOut } from "./pages/signed-out.tsx";
import { Shell } from "./shell.tsx";
import { Trouble } from "./ui/states.tsx";
import { BeginningContext } from "./view/steps.ts";
import { type Account, AccountProvider, PAGES, type PageName, useBeginning } from "./view/account.ts";
import { BASE } from "./view/base.ts";

// The first page comes at once; each of the others when it is first looked at.
const ELSEWHERE = {
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
        <Known />
      </Route>
    </Switch>
  );
}

/** Everything that begins with knowing who looks. That they are not known any more is said at once; all else that fails, by each page. */
function Known() {
  const { data, error, refetch } = useProjects();
  if (error instanceof Refused && error.code === "UNAUTHENTICATED") return <SignedOut />;
  if (data) return !data.me && data.projects.length === 0 ? <SignedOut /> : <Pages me={data.me ?? null} projects={data.projects} />;
  return error ? <Unreached error={error} retry={() => void refetch()} /> : <Starting />;
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
            slugs.includes(project) && page in PAGES ? <Page project={project} page={page as PageName} /> : <NotHere known={me !== null} />
          }
        </Route>
        <Route>
          <NotHere known={me !== null} />
        </Route>
      </Switch>
    </AccountProvider>
  );
}

/** What is seen until the first answer: where everything will be. */
function Starting() {
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

function Unreached({ error, retry }: { error: Error; retry: () => void }) {
  return (
    <main class="center">
      <h1>Footfall does not answer</h1>
      <Trouble error={error} retry={retry} />
    </main>
  );
}

// What is there to be seen before the first event: how it is going, and what can be set.
const BEFORE_EVENTS = new Set<PageName>(["live", "health", "settings"]);

function Page({ project, page }: { project: string; page: PageName }) {
  const began = useBeginning(project);
  useEffect(() => {
    document.title = `${PAGES[page].title} · ${project} · Footfall`;
    scrollTo(0, 0);
  }, [project, page]);
  const place = `${project}/${page}`;
  const [awaited, setAwaited] = useState(""); // the place where the first event was awaited: it shows what came until somebody goes on
  const waits = began === null && !BEFORE_EVENTS.has(page);
  useEffect(() => (waits ? setAwaited(place) : undefined), [waits, place]);
  if (waits || awaited === place) {
    return (
      <Shell project={project} page={page} empty>
        {waits ? <FirstEvent key={project} project={project} /> : <Arrival project={project} goOn={() => setAwaited("")} />}
      </Shell>
    );
  }
  const Chosen = ELSEWHERE[page as keyof typeof ELSEWHERE];
  return (
    <Shell project={project} page={page}>
      <BeginningContext.Provider value={began}>
        {page === "overview" ? (
          <Overview project={project} />
        ) : (
          <Loading key={page}>
            <Chosen key={project} project={project} />
          </Loading>
        )}
      </BeginningContext.Provider>
    </Shell>
  );
}

/** A part of the program that comes when it is looked at. After an update of the server an open tab asks for parts that are gone. */
function Loading({ children }: { children: preact.ComponentChildren }) {
  const [error] = useErrorBoundary();
  if (error) return <Trouble error={new Refused("BROKEN", "This page could not be shown: perhaps Footfall was updated since it was opened.")} />;
  return <Suspense fallback={<div class="skeleton" style={{ height: "400px" }} role="status" aria-label="Loading" />}>{children}</Suspense>;
}

function NotHere({ known }: { known: boolean }) {
  return (
    <main class="center">
      <h1>There is nothing here</h1>
      <p>{known ? "No page and no project of yours has this address." : "This project has no public dashboard, or there is no such page."}</p>
      <p>
        <a class="button" href={`${BASE}/`}>
          To the projects
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
