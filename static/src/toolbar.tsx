import { useState } from "preact/hooks";
import { useOperation } from "./api/use.ts";
import { Icon } from "./ui/icons.tsx";
import { useAccount } from "./view/account.ts";
import { ZONE, toLabel } from "./view/format.ts";
import { RANGES, type Range, dayText, dayOf, rangeName, shortRangeName } from "./view/period.ts";
import { FILTERS, type FilterName, targetText, useView } from "./view/state.ts";

/** Period, audience and active filters, as far as they apply to the page. */
export function Toolbar({ project, timed, filtered, asks }: { project: string | undefined; timed: boolean; filtered: boolean; asks: boolean }) {
  const view = useView();
  const { reads } = useAccount();
  // Public dashboards allow only fixed periods.
  const offered: Range[] = RANGES.filter((range) => reads || range !== "custom");
  const ranges = offered.includes(view.range) ? offered : [...offered.filter((range) => range !== "custom"), view.range, ...offered.filter((range) => range === "custom")];
  const chips = filtered && !asks ? (Object.entries(view.filters) as [FilterName, string][]) : [];
  return (
    <>
      <div class="toolbar">
        {timed && (
          <div class="segments period" role="group" aria-label="Period">
            {ranges.map((range) => (
              <button type="button" key={range} aria-pressed={view.range === range} onClick={() => view.set({ range })}>
                <span class="long">{rangeName(range)}</span>
                <span class="short">{shortRangeName(range)}</span>
              </button>
            ))}
          </div>
        )}
        {timed && <Zone />}
        {timed && view.range === "custom" && <Custom key={`${view.from} ${view.to}`} />}
        {filtered && (
          <div class="segments" role="group" aria-label="Audience">
            <button type="button" aria-pressed={!view.people} title="Includes CI, containers, development and tests" onClick={() => view.set({ people: false })}>
              Everything
            </button>
            <button type="button" aria-pressed={view.people} title="Excludes CI, containers, development and tests" onClick={() => view.set({ people: true })}>
              People<span class="long"> only</span>
            </button>
          </div>
        )}
      </div>
      {chips.length > 0 && (
        <ul class="chips" aria-label="Filters">
          {chips.map(([name, value]) => (
            <li key={name}>
              <button type="button" class="chip" title={`Remove the filter ${FILTERS[name]}`} onClick={() => view.pick(name, null)}>
                {FILTERS[name]}: <b>{shownValue(name, value)}</b> <span class="sr">: remove</span> <Icon name="close" size={13} />
              </button>
            </li>
          ))}
          {chips.length > 1 && (
            <li>
              <button type="button" class="link" onClick={view.clear}>
                Clear all
              </button>
            </li>
          )}
        </ul>
      )}
      {project && filtered && reads && chips.length > 0 && <FilterWarnings project={project} />}
      {project && filtered && !reads && <PublicMinimum project={project} />}
    </>
  );
}

const PICKED: Record<string, FilterName> = { names: "name", os: "os", arch: "arch", runtime: "runtime", version: "version", packageManager: "pm", environments: "env", target: "target" };

/** Warns of filters that match no event in the period, with similar values. */
function FilterWarnings({ project }: { project: string }) {
  const { span, filter, pick, filters } = useView();
  const answer = useOperation("FilterWarnings", { slug: project, period: span.period, filter });
  const warnings = answer.data?.project.warnings ?? [];
  return (
    <div role="status">
      {warnings.map(({ path, nearest }) => {
        const name = PICKED[path.replace("filter.", "")];
        if (!name) return null;
        const type = filters.target?.slice(0, filters.target.indexOf(":")) ?? "";
        return (
          <p class="notice" key={path}>
            No events in this period match {FILTERS[name]} <b>{shownValue(name, filters[name] ?? "")}</b>.{nearest.length > 0 && " Did you mean "}
            {nearest.map((value) => (
              <button type="button" class="link" key={value} onClick={() => pick(name, name === "target" ? targetText(type, value) : value)}>
                {value}
              </button>
            ))}
            {nearest.length > 0 && "?"}
          </p>
        );
      })}
    </div>
  );
}

/** Note on the figures that a public dashboard hides. */
function PublicMinimum({ project }: { project: string }) {
  const answer = useOperation("PublicMinimum", { slug: project });
  const least = answer.data?.project.minimumInstalls;
  return least ? <p class="soft">Figures based on fewer than {least} installs are hidden.</p> : null;
}

function Zone() {
  return (
    <span class="zone" title={`All times on this page are in ${ZONE}`}>
      {ZONE}
    </span>
  );
}

function shownValue(name: FilterName, value: string): string {
  if (name === "target") return value.slice(value.indexOf(":") + 1);
  return name === "env" || name === "outcome" ? toLabel(value) : value;
}

function Custom() {
  const view = useView();
  const today = dayText(Date.now());
  const [from, setFrom] = useState(dayText(dayOf(view.from.slice(0, 10)) ?? Date.now() - 29 * 86_400_000));
  const [to, setTo] = useState(dayText(dayOf(view.to.slice(0, 10)) ?? Date.now()));
  return (
    <form
      class="custom"
      onSubmit={(event) => {
        event.preventDefault();
        view.set({ range: "custom", from, to });
      }}
    >
      <label>
        <span class="sr">First day</span>
        <input type="date" value={from} max={to || today} required onInput={(event) => setFrom(event.currentTarget.value)} />
      </label>
      –
      <label>
        <span class="sr">Last day</span>
        <input type="date" value={to} min={from} max={today} required onInput={(event) => setTo(event.currentTarget.value)} />
      </label>
      <button type="submit" class="button">
        Show
      </button>
      {(["week", "month"] as const).map((range) => (
        <button type="button" class="link" key={range} onClick={() => view.set({ range })}>
          {rangeName(range)}
        </button>
      ))}
    </form>
  );
}
