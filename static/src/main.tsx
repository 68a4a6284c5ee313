import { QueryClient, QueryClientProvider } from "@tanstack/preact-query";
import { render } from "preact";
import { Router } from "wouter-preact";
import { Refused } from "./api/client.ts";
import { App } from "./app.tsx";
import { askAhead } from "./pages/overview.tsx";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/pages.css";
import { BASE } from "./view/base.ts";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // A failed query is repeated as soon as somebody looks or the network is back, however old its last answer is.
      refetchOnWindowFocus: (query) => (query.state.status === "error" ? "always" : true),
      refetchOnReconnect: (query) => (query.state.status === "error" ? "always" : true),
      networkMode: "always", // the server may be on this machine
      // What the server refuses it refuses again; only a server that was not reached is asked once more.
      retry: (failures, error) => failures < 1 && error instanceof Refused && error.code === "OFFLINE",
    },
  },
});

askAhead(client);

const root = document.getElementById("app");
if (root) {
  render(
    <QueryClientProvider client={client}>
      <Router base={BASE}>
        <App />
      </Router>
    </QueryClientProvider>,
    root,
  );
}
