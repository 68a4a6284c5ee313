import { Suspense, lazy } from "preact/compat";
import { useRef, useState } from "preact/hooks";
import { type Field, conditionLabel } from "../pages/measures.ts";
import type { Condition } from "../view/conditions.ts";
import { Icon } from "./icons.tsx";

const ConditionEditor = lazy(() => import("./condition-editor.tsx"));

interface Props {
  project: string;
  fields: Field[];
  conditions: Condition[];
  change: (conditions: Condition[]) => void;
  /** Name of the group for screen readers. */
  label: string;
  /** Index of a condition that the server refused. */
  invalid?: number | undefined;
  /** Called when the editor opens, which needs the fields. */
  opened?: () => void;
}

/** Conditions as chips that can be edited and removed, with an editor that searches fields and values. */
export function FilterBar({ project, fields, conditions, change, label, invalid, opened }: Props) {
  const [editing, setEditing] = useState<number | null>(null); // the index of a condition; their number for a new one
  const box = useRef<HTMLDivElement>(null);
  const adding = editing === conditions.length;
  const edit = (place: number) => {
    opened?.();
    setEditing(editing === place ? null : place);
  };
  const close = () => {
    setEditing(null);
    box.current?.querySelector<HTMLElement>("[data-add]")?.focus();
  };
  const apply = (condition: Condition) => {
    const next = [...conditions];
    next[editing ?? conditions.length] = condition;
    change(next);
    close();
  };
  return (
    <div class="filter-bar" role="group" aria-label={label} ref={box}>
      <ul class="conditions">
        {conditions.map((condition, place) => {
          const { field, op, values } = conditionLabel(fields, condition);
          const text = [field, op, values].filter(Boolean).join(" ");
          return (
            <li class={place === invalid ? "chip condition invalid" : "chip condition"} key={`${place} ${text}`}>
              <button type="button" aria-label={`Edit the filter ${text}`} title={`Edit: ${text}`} aria-expanded={editing === place} onClick={() => edit(place)}>
                {field} {op} <b>{values}</b>
              </button>
              <button
                type="button"
                aria-label={`Remove the filter ${text}`}
                title="Remove"
                onClick={() => {
                  change(conditions.filter((_, other) => other !== place));
                  close();
                }}
              >
                <Icon name="close" size={13} />
              </button>
            </li>
          );
        })}
        <li>
          <button type="button" class="button quiet small" data-add aria-expanded={adding} onClick={() => edit(conditions.length)}>
            <Icon name="plus" size={14} /> Add a filter
          </button>
        </li>
        {conditions.length > 1 && (
          <li>
            <button
              type="button"
              class="link"
              onClick={() => {
                change([]);
                close();
              }}
            >
              Clear all
            </button>
          </li>
        )}
      </ul>
      {editing !== null && editing <= conditions.length && (
        <Suspense fallback={<div class="condition-editor" aria-busy="true" />}>
          <ConditionEditor key={editing} project={project} fields={fields} start={conditions[editing]} apply={apply} cancel={close} />
        </Suspense>
      )}
    </div>
  );
}
