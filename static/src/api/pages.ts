import { type Data, type Variables, ask } from "./client.ts";

const AT_ONCE = 200; // rows that the server gives in one answer

/** All rows of a list that is asked for in parts, by how many are passed over. */
export async function every<Row>(part: (first: number, offset: number) => Promise<Row[]>): Promise<Row[]> {
  const found: Row[] = [];
  for (;;) {
    const rows = await part(AT_ONCE, found.length);
    found.push(...rows);
    if (rows.length < AT_ONCE) return found;
  }
}

/** All rows of a breakdown. */
export function everyValue(variables: Omit<Variables<"Breakdown">, "first" | "offset">): Promise<Data<"Breakdown">["project"]["breakdown"]["rows"]> {
  return every(async (first, offset) => (await ask("Breakdown", { ...variables, first, offset } as Variables<"Breakdown">)).project.breakdown.rows);
}
