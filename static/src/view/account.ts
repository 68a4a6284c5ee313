import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Data } from "../api/client.ts";
import type { IconName } from "../ui/icons.tsx";

/** Who looks, and what they may see: what the server said of itself when it was asked. */
export interface Account {
  me: Data<"Projects">["me"];
  projects: Data<"Projects">["projects"]["nodes"];
}

const AccountContext = createContext<Account>({ me: null, projects: [] });
export const AccountProvider = AccountContext.Provider;

export interface Rights extends Account {
  /** May read lists, not only the charts of a public dashboard. */
  reads: boolean;
  /** May change things. */
  changes: boolean;
}

export function useAccount(): Rights {
  const account = useContext(AccountContext);
  const scopes = account.me?.scopes ?? [];
  return { ...account, reads: scopes.includes("READ"), changes: scopes.includes("ADMIN") };
}

export type PageName = "overview" | "installs" | "usage" | "funnel" | "errors" | "downloads" | "live" | "health" | "settings" | "explorer";

/** The pages, in their order. `open` ones can be public; `timed` ones are about a period. */
export const PAGES: Record<PageName, { title: string; icon: IconName; open?: boolean; timed?: boolean }> = {
  overview: { title: "Overview", icon: "overview", open: true, timed: true },
  installs: { title: "Installs", icon: "installs", open: true, timed: true },
  usage: { title: "Usage", icon: "usage", timed: true },
  funnel: { title: "Funnel", icon: "funnel", timed: true },
  errors: { title: "Errors", icon: "errors", timed: true },
  downloads: { title: "Downloads", icon: "downloads", timed: true },
  live: { title: "Live", icon: "live" },
  health: { title: "Health", icon: "health", timed: true },
  settings: { title: "Settings", icon: "settings" },
  explorer: { title: "Explorer", icon: "explorer" },
};
