// Conditions, and how an address holds them.
import type { Variables } from "../api/client.ts";

type ConditionInput = NonNullable<Variables<"Ask">["question"]["where"]>[number];
export type Op = NonNullable<ConditionInput["op"]>;
export type VersionPart = "MAJOR" | "MINOR";

export interface Condition {
  field: string;
  op: Op;
  values: string[];
}
export interface Split {
  field: string;
  version: VersionPart | null;
}

export const OPS: Op[] = ["IS", "IS_NOT", "EXISTS", "MISSING", "PREFIX", "CONTAINS", "SEMVER", "ABOVE", "BELOW"];

/** Reports whether an operator takes no value. */
export const isUnary = (op: Op): boolean => op === "EXISTS" || op === "MISSING";
/** Reports whether an operator takes exactly one value. */
export const isSingle = (op: Op): boolean => op === "SEMVER" || op === "ABOVE" || op === "BELOW";

// Separators in the address. In names and values, `~` and the position stand for each.
const SEPARATORS = "~:,;";
export const escape = (text: string): string => text.replaceAll(/[~:,;]/g, (each) => `~${SEPARATORS.indexOf(each)}`);
export const unescape = (text: string): string => text.replaceAll(/~([0-3])/g, (_, place) => SEPARATORS[Number(place)] ?? "");

export const found = <T extends string>(text: string | null | undefined, all: readonly T[]): T | undefined => all.find((each) => each.toLowerCase() === text?.toLowerCase());

/** Encodes a condition for the address: `os:is:linux,macos`. */
export const conditionText = ({ field, op, values }: Condition): string => [escape(field), op.toLowerCase(), ...(values.length > 0 ? [values.map(escape).join(",")] : [])].join(":");

/** Parses a condition of an address. Returns an empty list for a text that is none. */
export function conditionOf(text: string): Condition[] {
  const [field = "", op, values] = text.split(":");
  const known = found(op, OPS);
  return field && known ? [{ field: unescape(field), op: known, values: values === undefined || isUnary(known) ? [] : values.split(",").map(unescape) }] : [];
}

/** Encodes a split for the address: `version:minor`. */
export const splitText = ({ field, version }: Split): string => (version ? `${escape(field)}:${version.toLowerCase()}` : escape(field));

/** Parses a split of an address. */
export function splitOf(text: string): Split {
  const [field = "", version] = text.split(":");
  return { field: unescape(field), version: found(version, ["MAJOR", "MINOR"] as const) ?? null };
}

/** Reports whether two conditions are equal. */
export const isSame = (one: Condition, other: Condition): boolean => conditionText(one) === conditionText(other);

/** A split by the values of a field. */
export const splitBy = (field: string): Split => ({ field, version: null });

/** The condition that selects one value of a field; null selects events without one. */
export const isValue = (field: string, value: string | null): Condition => (value === null ? { field, op: "MISSING", values: [] } : { field, op: "IS", values: [value] });

/** The condition that selects one group of a split. */
export function groupCondition({ field, version }: Split, key: string | null): Condition {
  const condition = isValue(field, key);
  return key !== null && version && /^\d+(\.\d+)?$/.test(key) ? { ...condition, op: "SEMVER" } : condition;
}

/** Replaces the condition that a warning names with one on a value that exists. `message` holds the values that do not. */
export function replaceMissing(conditions: Condition[], field: string, message: string, value: string): Condition[] {
  return conditions.map((condition): Condition => {
    if (condition.field !== field || !condition.values.some((each) => message.includes(`${each}\``))) return condition;
    const missing = condition.values.filter((each) => message.includes(`\`${each}\``));
    return condition.op === "IS" && missing.length > 0 && missing.length < condition.values.length
      ? { ...condition, values: [...new Set(condition.values.map((each) => (missing.includes(each) ? value : each)))] }
      : isValue(field, value);
  });
}

/** Replaces a field with another one in all conditions. */
export const renameField = (conditions: Condition[], field: string, other: string): Condition[] =>
  conditions.map((condition) => (condition.field === field ? { ...condition, field: other } : condition));

const OF_INSTALLS = new Set(["environment", "os", "arch", "runtime", "version", "package_manager"]);

/** Reports whether the list of installs can be filtered by a condition. */
export const isOfInstalls = ({ field, op }: Condition): boolean => OF_INSTALLS.has(field) && (op === "IS" || op === "IS_NOT");
