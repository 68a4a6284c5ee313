import { Suspense, lazy } from "preact/compat";
import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import type { Data } from "../api/client.ts";
import { useOperation } from "../api/use.ts";
import { Spark } from "../charts/spark.tsx";
import { Icon } from "../ui/icons.tsx";
import { QueryResult } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { compact, growth, percent } from "../view/format.ts";
import { isComparable, spanOf } from "../view/period.ts";
import { drawableValues } from "../view/steps.ts";
import { BASE } from "../view/base.ts";

const PERIOD = { last: 30 };
const NewProject = lazy(() => import("./settings/new-project.tsx"));

/** Home page: cards of all projects the account may read. */
export function Home() {
  const { changes, me } = useAccount();
  const [adding, setAdding] = useState(false);
  const [cursors, setCursors] = useState<(string | null)[]>([null]);
  const answer = useOperation("ProjectCards", { period: PERIOD, after: cursors.at(-1) ?? null });
  useEffect(() => {
    document.title = "Footfall";
  }, []);
  return (
    <main class="home" id="main">
      <header>
        <img src={`${BASE}/static/pages/footfall.svg`} width="36" height="36" alt="" />
        <h1>Projects</h1>
        <span class="soft">last 30 days, UTC</span>
        {!me && (
          <a class="button" href={`${BASE}/login`}>
            Log in
          </a>
        )}
      </header>
      <QueryResult answer={answer} height={300}>
        {({ projects: { nodes, pageInfo } }) => (
          <>
            <ul class="projects">
              {nodes.map((project) => (
                <li key={project.slug}>
                  <Link href={`/d/${project.slug}`}>
                    <ProjectCard project={project} />
                  </Link>
                </li>
              ))}
            </ul>
            {(cursors.length > 1 || pageInfo.hasNextPage) && (
              <div class="pager">
                <button type="button" class="button" disabled={cursors.length < 2} onClick={() => setCursors(cursors.slice(0, -1))}>
                  Previous projects
                </button>
                <button type="button" class="button" disabled={!pageInfo.hasNextPage} onClick={() => setCursors([...cursors, pageInfo.endCursor])}>
                  More projects
                </button>
              </div>
            )}
          </>
        )}
      </QueryResult>
      {changes && me?.allProjects && (adding ? <Adding /> : <AddButton add={() => setAdding(true)} />)}
    </main>
  );
}

function AddButton({ add }: { add: () => void }) {
  return (
    <button type="button" class="button" onClick={add}>
      <Icon name="plus" size={15} /> New project
    </button>
  );
}

function Adding() {
  return (
    <section class="card adding" aria-label="New project">
      <Suspense fallback={null}>
        <NewProject />
      </Suspense>
    </section>
  );
}

function ProjectCard({ project: { slug, name, firstEvent, overview, series } }: { project: Data<"ProjectCards">["projects"]["nodes"][number] }) {
  if (!firstEvent) {
    return (
      <>
        <h2>{name}</h2>
        <p class="soft">No events yet. Open the project to send the first one.</p>
      </>
    );
  }
  const compared = isComparable(spanOf("30d", "", ""), Date.parse(firstEvent));
  return (
    <>
      <h2>
        {name} {name.toLowerCase() !== slug && <span class="soft">{slug}</span>}
      </h2>
      <dl>
        <div>
          <dt>Active people</dt>
          <dd>{compact(overview.active.people.value)}</dd>
        </div>
        <div>
          <dt>Events</dt>
          <dd>
            {compact(overview.events.value)} {compared && <small class="soft">{growth(overview.events.change)}</small>}
          </dd>
        </div>
        <div>
          <dt>Success rate</dt>
          <dd>{percent(overview.successRate.value)}</dd>
        </div>
      </dl>
      <Spark values={drawableValues(series.events, series.starts, "DAY", Date.parse(firstEvent))} open />
    </>
  );
}
