import { useState } from "preact/hooks";
import { useIdle } from "./api/turn.ts";
import { useOperation } from "./api/use.ts";
import { conditionLabel } from "./pages/measures.ts";
import { FilterBar } from "./ui/filter-bar.tsx";
import { Icon } from "./ui/icons.tsx";
import { Warnings } from "./ui/warnings.tsx";
import { useAccount } from "./view/account.ts";
import { useParams } from "./view/address.ts";
import { renameField, replaceMissing } from "./view/conditions.ts";
import { ZONE, moment, toLabel } from "./view/format.ts";
import { RANGES, type Range, dayText, dayOf, rangeName, shortRangeName, startOf } from "./view/period.ts";
import { useView } from "./view/state.ts";

/** Period, audience and active filters, as far as they apply to the page. */
export function Toolbar({ project, timed, filtered, asks }: { project: string | undefined; timed: boolean; filtered: boolean; asks: boolean }) {
  const view = useView();
  const { reads } = useAccount();
  const [params] = useParams();
  const hasFilters = filtered && (!asks || params.has("report")); // other questions of Explore have a form of their own
  // Public dashboards allow only fixed periods.
  const offered: Range[] = RANGES.filter((range) => reads || range !== "custom");
  const ranges = offered.includes(view.range) ? offered : [...offered.filter((range) => range !== "custom"), view.range, ...offered.filter((range) => range === "custom")];
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
      {project && hasFilters && (reads ? <PageFilters project={project} /> : <PublicFilters />)}
      {project && filtered && reads && <HistoryProgress project={project} />}
      {project && filtered && !reads && <PublicMinimum project={project} />}
    </>
  );
}

/** Filter bar of a page. Warns of conditions that no event of the period meets. */
function PageFilters({ project }: { project: string }) {
  const { span, where, setWhere } = useView();
  const [isOpened, setOpened] = useState(false);
  const known = useOperation("Fields", { slug: project, period: span.period }, { enabled: isOpened || where.length > 0, refresh: () => false });
  const question = { measures: ["EVENTS" as const], where, period: span.period, first: 1 };
  const isIdle = useIdle(JSON.stringify(question)); // the page's own questions go first
  const answer = useOperation("Ask", { slug: project, question }, { enabled: where.length > 0 && isIdle });
  const warnings = where.length > 0 && !answer.isPlaceholderData ? (answer.data?.project.ask.warnings ?? []) : [];
  const since = where.length > 0 ? answer.data?.project.ask.since : null;
  const isCut = since != null && Date.parse(since) > startOf(span);
  const refused = answer.isError ? /\bwhere\[(\d+)\]/.exec(answer.error.message)?.[1] : undefined;
  return (
    <>
      <FilterBar
        project={project}
        fields={known.data?.project.fields ?? []}
        conditions={where}
        change={setWhere}
        label="Filters"
        invalid={refused === undefined ? undefined : Number(refused)}
        opened={() => setOpened(true)}
      />
      {isCut && (
        <p class="notice" role="status">
          With filters, some figures count events from <b>{moment(since)}</b> on: retention has deleted older ones.
        </p>
      )}
      {warnings.length > 0 && (
        <div class="notice">
          <Warnings
            warnings={warnings}
            replace={(...missing) => setWhere(replaceMissing(where, ...missing))}
            rename={(...names) => setWhere(renameField(where, ...names))}
          />
        </div>
      )}
    </>
  );
}

/** Filters of a public dashboard: they can be removed. Search in fields and values requires a login. */
function PublicFilters() {
  const { where, toggle } = useView();
  if (where.length === 0) return null;
  return (
    <ul class="chips" aria-label="Filters">
      {where.map((condition) => {
        const { field, op, values } = conditionLabel([], condition);
        return (
          <li key={`${field} ${op} ${values}`}>
            <button type="button" class="chip" onClick={() => toggle([condition])}>
              {toLabel(field)} {op} <b>{values}</b> <span class="sr">: remove</span> <Icon name="close" size={13} />
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** Note on the figures that a public dashboard hides. */
function PublicMinimum({ project }: { project: string }) {
  const answer = useOperation("PublicMinimum", { slug: project });
  const least = answer.data?.project.minimumInstalls;
  return least ? <p class="soft">Figures based on fewer than {least} installs are hidden.</p> : null;
}

/** Note while the server builds its history of events, as after an upgrade. */
function HistoryProgress({ project }: { project: string }) {
  const answer = useOperation("HistoryProgress", { slug: project }, { refresh: (data) => (data?.project.historyProgress == null ? 60_000 : 5_000) });
  const done = answer.data?.project.historyProgress;
  if (done == null) return null;
  return (
    <p class="notice" role="status">
      Footfall is building its history of events: <b>{Math.floor(done * 100)}%</b> done. Until it is complete, filters take longer, and some figures for long periods are missing.
    </p>
  );
}

function Zone() {
  return (
    <span class="zone" title={`Days on this page begin at 00:00 ${ZONE}, and all times are in ${ZONE}`}>
      {ZONE}
    </span>
  );
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
