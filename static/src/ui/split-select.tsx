import { type Field, labelOf } from "../pages/measures.ts";
import type { Split, VersionPart } from "../view/conditions.ts";

interface Props {
  fields: Field[];
  split: Split | null;
  /** Fields that other splits use. */
  taken?: string[];
  change: (split: Split | null) => void;
  label: string;
  /** Text of the choice without a split. */
  empty: string;
}

/** Select for a field to split by, with the part of a version. */
export function SplitSelect({ fields, split, taken = [], change, label, empty }: Props) {
  const free = fields.filter(({ name, canSplit }) => canSplit && !taken.includes(name));
  const group = (isProperty: boolean) =>
    free
      .filter(({ kind }) => (kind === "PROPERTY") === isProperty)
      .map(({ name, label: text }) => (
        <option key={name} value={name}>
          {text}
        </option>
      ));
  const isUnknown = split && !free.some(({ name }) => name === split.field);
  return (
    <span class="inline tight">
      <select class="small" aria-label={label} value={split?.field ?? ""} onChange={(event) => change(event.currentTarget.value ? { field: event.currentTarget.value, version: null } : null)}>
        <option value="">{empty}</option>
        {isUnknown && <option value={split.field}>{labelOf(fields, split.field)}</option>}
        <optgroup label="Fields">{group(false)}</optgroup>
        <optgroup label="Properties">{group(true)}</optgroup>
      </select>
      {split && fields.some(({ name, kind }) => name === split.field && kind === "VERSION") && (
        <select class="small" aria-label="Part of the version" value={split.version ?? ""} onChange={(event) => change({ ...split, version: (event.currentTarget.value || null) as VersionPart | null })}>
          <option value="">full version</option>
          <option value="MAJOR">major version</option>
          <option value="MINOR">minor version</option>
        </select>
      )}
    </span>
  );
}

/** Selects for up to two fields to split by. */
export function Splits({ fields, by, change }: { fields: Field[]; by: Split[]; change: (by: Split[]) => void }) {
  const shown = by.length < 2 ? [...by, null] : by;
  return (
    <>
      {shown.map((split, place) => (
        <SplitSelect
          key={place}
          fields={fields}
          split={split}
          taken={by.flatMap((other) => (other === split ? [] : [other.field]))}
          change={(next) => change([...by.slice(0, place), ...(next ? [next] : []), ...by.slice(place + 1)])}
          label={place === 0 ? "Split by" : "Then by"}
          empty={place === 0 ? "No split" : by.length === 1 ? "Then by…" : "No second split"}
        />
      ))}
    </>
  );
}
