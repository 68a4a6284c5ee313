import { useAccount } from "./account.ts";
import { pathWith, useParams } from "./address.ts";
import { type Condition, isSame } from "./conditions.ts";
import { viewOf, writeWhere } from "./state.ts";

const KEPT = ["range", "from", "to", "who"];

/** A card's content as parameters of the Explore page's address. */
export interface CardQuestion {
  measures: string;
  by?: string;
  where?: Condition | undefined;
  chart?: "bars";
}

/** Returns a function that builds the address of a card's question, with the page's period and filters. It returns undefined without read access. */
export function useExploreLink(project: string): (question: CardQuestion) => string | undefined {
  const { reads } = useAccount();
  const [old] = useParams();
  return (question) => {
    if (!reads) return undefined;
    const params = new URLSearchParams();
    for (const name of KEPT) if (old.get(name)) params.set(name, old.get(name) as string);
    const { where, ...rest } = question;
    for (const [name, value] of Object.entries(rest)) params.set(name, value as string);
    const kept = viewOf(old).where;
    writeWhere(params, where && !kept.some((other) => isSame(other, where)) ? [...kept, where] : kept);
    return pathWith(`/d/${project}/explore`, params);
  };
}
