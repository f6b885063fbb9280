-- flood.lua: 64 connections, 0 to 40 ms from an answer to the next request: some 2,000 a second, not all at once.

function delay()
    return math.random(0, 40)
end

function done(summary, latency, requests)
    io.write(string.format('FLOOD {"rps": %.1f, "refused": %.4f}\n', summary.requests / summary.duration * 1e6,
        summary.errors.status / summary.requests))
end
