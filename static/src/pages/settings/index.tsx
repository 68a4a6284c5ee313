import { useAsk } from "../../api/use.ts";
import { Answered, Nothing } from "../../ui/states.tsx";
import { useAccount } from "../../view/account.ts";
import { Alerts } from "./alerts.tsx";
import { Audit, Jobs, Sessions } from "./operation.tsx";
import { Erasure } from "./erasure.tsx";
import { Keys } from "./keys.tsx";
import { ProjectForm } from "./project.tsx";
import { Projects } from "./projects.tsx";
import { Release } from "./release.tsx";
import { Sharing } from "./sharing.tsx";
import { Targets } from "./targets.tsx";

/** All that can be changed about a project, and about the server for those who look after it. */
export default function Settings({ project }: { project: string }) {
  const { changes, me } = useAccount();
  const answer = useAsk("ProjectSettings", { slug: project });
  if (!changes) return <Nothing>Settings want a login with the scope admin.</Nothing>;
  return (
    <Answered answer={answer} height={700}>
      {({ project: { settings, keys, alerts } }) => (
        <div class="sections">
          <ProjectForm key={project} slug={project} settings={settings} />
          <Sharing key={`sharing ${project}`} slug={project} settings={settings} />
          <Keys
            slug={project}
            keys={keys}
            title="Keys"
            about="For clients that must name the project, and for whoever reads. A key is shown once, when it is made; what is kept is its hash."
          />
          <Alerts slug={project} alerts={alerts} />
          <Targets slug={project} />
          <Release key={`release ${project}`} slug={project} latest={settings.latest} />
          <Erasure slug={project} />
          {me?.allProjects && <Operation />}
        </div>
      )}
    </Answered>
  );
}

function Operation() {
  const answer = useAsk("Operation", { first: 50 });
  return (
    <Answered answer={answer} height={400}>
      {({ jobs, sessions, adminKeys, auditLog }) => (
        <div class="sections">
          <h2 class="group">The server</h2>
          <Projects />
          <Keys slug={null} keys={adminKeys} title="Keys for all projects" about="For whoever looks after the whole server, and for scripts that read all of it." />
          <Jobs jobs={jobs} />
          <Sessions sessions={sessions} />
          <Audit entries={auditLog} />
        </div>
      )}
    </Answered>
  );
}
