// handlers.js: reference (e), the handlers as a worker of workerd.

// Measured: a small body passes faster as a stream, a large one gathered first.
const GATHER_FROM = 16384;

export default {
  async fetch(request) {
    const headers = { "content-type": "text/plain" };
    const path = new URL(request.url).pathname;

    if (path === "/function/hello")
      return new Response("hello, world", { headers });
    if (path === "/function/echo") {
      const large = Number(request.headers.get("content-length")) >= GATHER_FROM;
      return new Response(large ? await request.arrayBuffer() : request.body, { headers });
    }
    return new Response("no such function", { status: 404, headers });
  },
};
