-- flood.lua: 64 connections of a request every 32 ms each: 2,000 a second.

function delay()
    return 32
end

function done(summary, latency, requests)
    io.write(string.format('FLOOD {"rps": %.1f, "refused": %.4f}\n', summary.requests / summary.duration * 1e6,
        summary.errors.status / summary.requests))
end
