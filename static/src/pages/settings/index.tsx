import { useOperation } from "../../api/use.ts";
import { QueryResult, EmptyState } from "../../ui/states.tsx";
import { useAccount } from "../../view/account.ts";
import { Alerts } from "./alerts.tsx";
import { Audit, Jobs, Sessions } from "./operation.tsx";
import { Erasure } from "./erasure.tsx";
import { Forwarding } from "./forwarding.tsx";
import { Keys } from "./keys.tsx";
import { ProjectForm } from "./project.tsx";
import { Projects } from "./projects.tsx";
import { Release } from "./release.tsx";
import { Sharing } from "./sharing.tsx";
import { Targets } from "./targets.tsx";

/** Settings page: the project, and the server for accounts with access to all projects. */
export default function Settings({ project }: { project: string }) {
  const { changes, me } = useAccount();
  const answer = useOperation("ProjectSettings", { slug: project });
  if (!changes) return <EmptyState>Settings require a login with the admin scope.</EmptyState>;
  return (
    <QueryResult answer={answer} height={700}>
      {({ project: { settings, keys, alerts } }) => (
        <div class="sections">
          <ProjectForm key={project} slug={project} settings={settings} />
          <Sharing key={`sharing ${project}`} slug={project} settings={settings} />
          <Keys
            slug={project}
            keys={keys}
            title="Keys"
            about="For clients that need a key, and for scripts that read data. A key is shown once, at creation; only its hash is stored."
          />
          <Alerts slug={project} alerts={alerts} />
          <Targets slug={project} />
          <Release key={`release ${project}`} slug={project} latest={settings.latest} />
          <Forwarding key={`forwarding ${project}`} slug={project} />
          <Erasure slug={project} />
          {me?.allProjects && <Operation />}
        </div>
      )}
    </QueryResult>
  );
}

function Operation() {
  const answer = useOperation("Operation", { first: 50 });
  return (
    <QueryResult answer={answer} height={400}>
      {({ jobs, sessions, adminKeys, auditLog }) => (
        <div class="sections">
          <h2 class="group">The server</h2>
          <Projects />
          <Keys slug={null} keys={adminKeys} title="Keys for all projects" about="For server administrators, and for scripts that read all projects." />
          <Jobs jobs={jobs} />
          <Sessions sessions={sessions} />
          <Audit entries={auditLog} />
        </div>
      )}
    </QueryResult>
  );
}
