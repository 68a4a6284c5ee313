import { QueryClient, QueryClientProvider } from "@tanstack/preact-query";
import { render } from "preact";
import { Router } from "wouter-preact";
import { ApiError } from "./api/client.ts";
import { App } from "./app.tsx";
import { prefetchOverview } from "./pages/overview.tsx";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/pages.css";
import { AddressProvider } from "./ui/held.tsx";
import { BASE } from "./view/base.ts";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // Failed queries refetch on focus and reconnect even if their data is not stale.
      refetchOnWindowFocus: (query) => (query.state.status === "error" ? "always" : true),
      refetchOnReconnect: (query) => (query.state.status === "error" ? "always" : true),
      networkMode: "always", // the server may be on localhost, which works offline
      // Retry only when the server was unreachable: other errors would repeat.
      retry: (failures, error) => failures < 1 && error instanceof ApiError && error.code === "OFFLINE",
    },
  },
});

prefetchOverview(client);

const root = document.getElementById("app");
if (root) {
  render(
    <QueryClientProvider client={client}>
      <Router base={BASE}>
        <AddressProvider>
          <App />
        </AddressProvider>
      </Router>
    </QueryClientProvider>,
    root,
  );
}
