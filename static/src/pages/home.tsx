import { useEffect } from "preact/hooks";
import { Link } from "wouter-preact";
import { useAsk } from "../api/use.ts";
import { Spark } from "../charts/spark.tsx";
import { Answered } from "../ui/states.tsx";
import { useAccount } from "../view/account.ts";
import { compact, growth } from "../view/format.ts";

const PERIOD = { last: 30 };

/** All projects, for those who have several. */
export function Home() {
  const { changes, me } = useAccount();
  const answer = useAsk("ProjectCards", { period: PERIOD });
  useEffect(() => {
    document.title = "Footfall";
  }, []);
  return (
    <main class="home" id="main">
      <header>
        <img src="/static/pages/footfall.svg" width="36" height="36" alt="" />
        <h1>Projects</h1>
        <span class="soft">the last 30 days</span>
        {!me && (
          <a class="button" href="/login">
            Log in
          </a>
        )}
      </header>
      <Answered answer={answer} height={300}>
        {({ projects: { nodes: projects } }) => (
          <ul class="projects">
            {projects.map(({ slug, name, overview, series }) => (
              <li key={slug}>
                <Link href={`/d/${slug}`}>
                  <h2>{name}</h2>
                  <dl>
                    <div>
                      <dt>Active people</dt>
                      <dd>{compact(overview.active.people.value)}</dd>
                    </div>
                    <div>
                      <dt>Events</dt>
                      <dd>{compact(overview.events.value)}</dd>
                    </div>
                    <div>
                      <dt>Change</dt>
                      <dd>{growth(overview.events.change)}</dd>
                    </div>
                  </dl>
                  <Spark values={series.events} />
                </Link>
              </li>
            ))}
          </ul>
        )}
      </Answered>
      {changes && (
        <p class="soft">
          Another one: <code>footfall project create NAME</code>, or in the settings of any project.
        </p>
      )}
    </main>
  );
}
