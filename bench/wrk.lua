-- For load.py: what wrk found and, with arguments, other requests than always the same:
--   grants COUNT   one of so many grants at random, by the cookie that is their key
--   files COUNT    one of so many files at random

local texts = {
    grants = "GET %s HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid=%032d\r\n\r\n",
    files = "GET %s%07d HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid=1234567\r\n\r\n",
}

function init(args)
    local text, count = texts[args[1]], tonumber(args[2])
    if text then
        math.randomseed(1)
        function request()
            return text:format(wrk.path, math.random(0, count - 1))
        end
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    print(string.format('{"requests": %d, "bytes": %d, "seconds": %f, "errors": %d, "p50": %d, "p99": %d}',
        summary.requests, summary.bytes, summary.duration / 1e6,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
