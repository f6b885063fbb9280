# Reference (e): one worker; the socket's address comes from the command line.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "handlers", worker = .handlers)],
  sockets = [(name = "http", http = (), service = "handlers")],
);

const handlers :Workerd.Worker = (
  modules = [(name = "handlers.js", esModule = embed "handlers.js")],
  compatibilityDate = "2026-11-01",
);
