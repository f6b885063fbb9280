-- wrk.lua: what wrk sends, and its results as one line of JSON.
-- Arguments after "--": the number of bytes to POST; 0 sends a GET.
-- There is no request() and no response(), so wrk sends one prepared request and runs no Lua per call.

function init(args)
    local bytes = tonumber(args[1]) or 0
    if bytes > 0 then
        wrk.method = "POST"
        wrk.body = string.rep("0123456789abcdef", math.ceil(bytes / 16)):sub(1, bytes)
    end
end

-- wrk counts latencies in whole microseconds. Where that is coarse the percentile is interpolated inside its
-- microsecond from the histogram: a count at v stands for times spread evenly over v - 0.5 to v + 0.5.
local function percentile(latency, percent)
    local whole = latency:percentile(percent)
    if whole > 200 then
        return whole
    end
    local total, counts = 0, {}
    for i = 1, #latency do
        local value, count = latency(i)
        counts[i] = { value = value, count = count }
        total = total + count
    end
    local rank, below = total * percent / 100, 0
    for _, c in ipairs(counts) do
        if below + c.count >= rank then
            return c.value - 0.5 + (rank - below) / c.count
        end
        below = below + c.count
    end
    return whole
end

function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "duration_us": %d, "bytes": %d, '
        .. '"p50_us": %.3f, "p99_us": %.3f, "p999_us": %.3f, "max_us": %.3f, '
        .. '"errors": {"status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}}\n',
        summary.requests, summary.duration, summary.bytes,
        percentile(latency, 50), percentile(latency, 99), percentile(latency, 99.9), latency.max,
        e.status, e.connect, e.read, e.write, e.timeout))
end
