import { useOperation } from "../api/use.ts";
import { type Bar, Bars } from "../ui/bars.tsx";
import { QueryResult } from "../ui/states.tsx";
import { useParams } from "../view/address.ts";
import { type VersionPart, groupCondition } from "../view/conditions.ts";
import { useExploreLink } from "../view/explore-link.ts";
import { percent } from "../view/format.ts";
import { audienceOf } from "../view/reports.ts";
import { useView } from "../view/state.ts";
import { groupLabel } from "./measures.ts";

const PARTS: Partial<Record<string, VersionPart>> = { minor: "MINOR", major: "MAJOR" };
const FEW = 8;

/** The part of a version that the address groups by; null for full versions. */
export function useVersionPart(): VersionPart | null {
  const [params] = useParams();
  return PARTS[params.get("versions") ?? ""] ?? null;
}

/** Select for the part of a version that the card groups by. */
export function VersionPartSelect() {
  const [params, change] = useParams();
  return (
    <select class="small" aria-label="Group versions" value={params.get("versions") ?? ""} onChange={({ currentTarget: { value } }) => change((next) => (value ? next.set("versions", value) : next.delete("versions")))}>
      <option value="">full versions</option>
      <option value="minor">minor versions</option>
      <option value="major">major versions</option>
    </select>
  );
}

/** Installs by major or minor version. */
export function VersionGroups({ project, part }: { project: string; part: VersionPart }) {
  const { people, span, where } = useView();
  const explore = useExploreLink(project);
  const by = { field: "version", version: part };
  const answer = useOperation("Ask", { slug: project, question: { measures: ["INSTALLS", "FAILURE_RATE"], by: [by], where, period: span.period, first: FEW, audience: audienceOf(people) } });
  return (
    <QueryResult answer={answer} height={300}>
      {({ project: { ask } }) => {
        const figuresOf = ({ figures }: (typeof ask.rows)[number]) => figures.map((figure) => (people ? figure.people : figure.all)[0] ?? null);
        const rows = ask.rows.filter(({ keys, isOther }) => isOther || keys[0] !== null);
        const bars = rows.flatMap((row): Bar[] => {
          const [installs, failureRate] = figuresOf(row);
          if (!installs) return [];
          return [
            {
              where: row.isOther ? null : [groupCondition(by, row.keys[0] ?? null)],
              label: groupLabel(row),
              amount: installs,
              rest: row.isOther,
              ...(failureRate != null && failureRate > 0.1 ? { aside: `${percent(1 - failureRate)} success` } : {}),
            },
          ];
        });
        const unreported = ask.rows.find(({ keys, isOther }) => !isOther && keys[0] === null);
        return (
          <Bars
            title="Versions"
            unit={people ? "people" : "installs"}
            note={<VersionPartSelect />}
            bars={bars.toSorted((one, other) => Number(one.rest) - Number(other.rest) || other.amount - one.amount)}
            total={0}
            unreported={(unreported && figuresOf(unreported)[0]) ?? 0}
            explore={explore({ measures: ["INSTALLS", "FAILURE_RATE"], by: [by], chart: "bars", first: FEW })}
          />
        );
      }}
    </QueryResult>
  );
}
