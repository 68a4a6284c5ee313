import { type Data, type Variables, runOperation } from "./client.ts";

const PAGE_SIZE = 200; // the server's maximum per request

/** Fetches all rows of a list with offset pagination. */
export async function fetchAllRows<Row>(part: (first: number, offset: number) => Promise<Row[]>): Promise<Row[]> {
  const found: Row[] = [];
  for (;;) {
    const rows = await part(PAGE_SIZE, found.length);
    found.push(...rows);
    if (rows.length < PAGE_SIZE) return found;
  }
}

/** Fetches all rows of a breakdown. */
export function fetchAllValues(variables: Omit<Variables<"Breakdown">, "first" | "offset">): Promise<Data<"Breakdown">["project"]["breakdown"]["rows"]> {
  return fetchAllRows(async (first, offset) => (await runOperation("Breakdown", { ...variables, first, offset } as Variables<"Breakdown">)).project.breakdown.rows);
}
