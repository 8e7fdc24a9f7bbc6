-- What wrk found, for load.py.
function done(summary, latency, requests)
    local errors = summary.errors
    print(string.format('{"requests": %d, "bytes": %d, "seconds": %f, "errors": %d, "p50": %d, "p99": %d}',
        summary.requests, summary.bytes, summary.duration / 1e6,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
