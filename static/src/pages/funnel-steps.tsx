import { useState } from "preact/hooks";
import { FilterBar } from "../ui/filter-bar.tsx";
import { Icon } from "../ui/icons.tsx";
import type { Condition } from "../view/conditions.ts";
import type { Step } from "../view/reports.ts";
import { type Field, conditionLabel } from "./measures.ts";

const LONGEST_NAME = 100; // characters, the server's maximum

/** The name of a step by its conditions: `build, Runtime is node 18`. */
function nameOf(fields: Field[], where: Condition[]): string {
  const texts = where.map((condition) =>
    condition.field === "name" && condition.op === "IS" && condition.values.length === 1 ? condition.values[0] : Object.values(conditionLabel(fields, condition)).filter(Boolean).join(" "),
  );
  return texts.join(", ").slice(0, LONGEST_NAME) || "any event";
}

interface Props {
  project: string;
  fields: Field[];
  steps: Step[];
  change: (steps: Step[]) => void;
}

/** The steps of a funnel as chips, each with an editor of its conditions. */
export function FunnelSteps({ project, fields, steps, change }: Props) {
  const [editing, setEditing] = useState<number | null>(null);
  const step = editing === null ? undefined : steps[editing];
  // A name that does not come from the conditions was given when the funnel was saved: it stays.
  const renamed = ({ name, where }: Step, next: Condition[]) => (name === nameOf(fields, where) ? nameOf(fields, next) : name);
  return (
    <>
      <ol class="conditions" aria-label="Steps of the funnel">
        {steps.map(({ name }, place) => (
          <li class="chip condition" key={`${place} ${name}`}>
            <button type="button" aria-label={`Edit step ${place + 1}, ${name}`} title="Edit the conditions" aria-expanded={editing === place} onClick={() => setEditing(editing === place ? null : place)}>
              {place + 1}. <b>{name}</b>
            </button>
            <button
              type="button"
              aria-label={`Remove step ${place + 1}, ${name}`}
              title="Remove"
              onClick={() => {
                setEditing(null);
                change(steps.filter((_, other) => other !== place));
              }}
            >
              <Icon name="close" size={13} />
            </button>
          </li>
        ))}
      </ol>
      {step && (
        <div class="step-conditions">
          <span class="soft">An install reaches step {(editing ?? 0) + 1} with an event that meets:</span>
          <FilterBar
            project={project}
            fields={fields}
            conditions={step.where}
            change={(where) => change(steps.map((each) => (each === step ? { name: renamed(each, where), where } : each)))}
            label={`Conditions of step ${(editing ?? 0) + 1}`}
          />
        </div>
      )}
    </>
  );
}
